//! The simulated world: virtual time, nodes, links, clients and faults, all driven from one seed.
//!
//! Must not know: how a node works inside.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;

use tonle_consensus::{Epoch, ValidatorIndex, View};
use tonle_crypto::{Digest, Domain, SecretKey, StreamingDigest, Verified};
use tonle_ledger::{SignedTransaction, audit};
use tonle_replica::{Event, Offence, PeerContext};

use crate::acting::{Byzantine, cast, cast_one};
use crate::agenda::Agenda;
use crate::byzantine::Kind;
use crate::chain::Chain;
use crate::dice::Dice;
use crate::faults::{Damage, Fault, Fired, Strike, Weather, schedule, weather};
use crate::invariants::{Breach, Invariants};
use crate::liveness::Pace;
use crate::memo::Memo;
use crate::meter::Meter;
use crate::network::Network;
use crate::node::{Node, chain, missing};
use crate::post::{Delivery, Post};
use crate::roster::Rosters;
use crate::shrinking::Without;
use crate::timeline::{Deed, Line, Timeline};
use crate::violation::{Run, Violation};

static TRACE: Domain = Domain::new("tonle v1 simulator trace");

/// Every so many seeds sign and verify with real ed25519.
const REAL_SIGNATURES_EVERY: u64 = 10;
/// How many validators: every rest of n modulo 3, and quorums of more than 2f + 1.
const SIZES: [usize; 8] = [4, 4, 4, 5, 7, 7, 8, 10];
/// Every so many seeds have so many; `make soak` comes to the first.
const LARGE: [(u64, usize); 2] = [(2_500, 100), (500, 31)];
/// Clients of a calm run, and the time between them, in microseconds: they make more than 200 blocks.
const CALM_CLIENTS: u64 = 120;
const CALM_PAUSE_US: u64 = 60_000;
/// Everything must be final this long after the last fault, in microseconds.
const LIVE_WITHIN_US: u64 = 90_000_000;

/// A defect planted on purpose, to see that the simulator finds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sabotage {
    /// Nodes start without their guard and do not know it.
    ForgetGuard,
    /// The guard is written once, and later records only seem to be.
    GuardNotWritten,
    /// A batch is said to be durable when its write has only begun.
    BatchNotSynced,
}

/// What a simulation that broke nothing has done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// How many validators.
    pub nodes: usize,
    /// Those that broke the protocol on purpose, and how.
    pub byzantine: Vec<(usize, Kind)>,
    /// Digest of everything that happened: equal for equal seeds.
    pub trace: Digest,
    /// Events handled.
    pub events: u64,
    /// The highest height.
    pub height: u64,
    /// Views in which anything was signed.
    pub views: u64,
    /// Most views in a row of which a timeout certificate was sent.
    pub timeouts_in_a_row: u64,
    /// Epochs that began on some node, and in how many of them the validators were others than before.
    pub epochs: (u64, u64),
    /// Does each machine sign at the end?
    pub signs: Vec<bool>,
    /// Syncs of each node.
    pub syncs: Vec<u64>,
    /// Transactions submitted, each final exactly once on every node.
    pub transactions: usize,
    /// Virtual time until everything was final, in microseconds.
    pub took_us: u64,
    /// Faults that took effect.
    pub fired: Fired,
}

/// What is going to happen.
#[allow(clippy::large_enum_variant, reason = "an entry moves twice; to box each event costs more")]
pub(crate) enum Happening {
    Deliver {
        from: usize,
        to: usize,
        boot: u64,
        message: Rc<Delivery>,
    },
    Tick {
        node: usize,
        boot: u64,
    },
    /// The last connection to an owner's machines is gone.
    Gone {
        node: usize,
        boot: u64,
        owner: usize,
    },
    Local {
        node: usize,
        boot: u64,
        event: Box<Event>,
    },
    Persisted {
        node: usize,
        boot: u64,
    },
    Stored {
        node: usize,
        boot: u64,
    },
    Written {
        node: usize,
        boot: u64,
    },
    Connect {
        one: usize,
        other: usize,
    },
    Submit {
        client: usize,
        node: Option<usize>,
    },
    Strike(Strike),
    Restart {
        node: usize,
    },
    Heal,
}

pub(crate) struct Client {
    pub(crate) transaction: Arc<Verified<SignedTransaction>>,
    pub(crate) accepted_by: Vec<usize>,
}

/// See the module.
pub(crate) struct World {
    pub(crate) now_us: u64,
    pub(crate) chain: Chain,
    pub(crate) context: PeerContext,
    pub(crate) rosters: Rosters,
    pub(crate) epoch_length: u64,
    pub(crate) sabotage: Option<Sabotage>,
    pub(crate) drill: Option<Crash>,
    pub(crate) memo: Memo,
    pub(crate) dice: Dice,
    pub(crate) network: Network,
    /// The machines. Those of the validators stand first, in their order; then each twin's second one.
    pub(crate) nodes: Vec<Node>,
    /// Those that break the protocol on purpose, by machine.
    pub(crate) byzantine: BTreeMap<usize, Byzantine>,
    pub(crate) invariants: Invariants,
    pub(crate) fired: Fired,
    pub(crate) trace: StreamingDigest,
    pub(crate) post: Post,
    /// Watches, when there is something to measure.
    pub(crate) meter: Option<Meter>,
    agenda: Agenda<Happening>,
    pub(crate) clients: Vec<Client>,
    /// Views of which a timeout certificate was sent.
    pub(crate) timeouts: BTreeSet<(Epoch, View)>,
    /// When the faults ended.
    pub(crate) healed_at: Option<u64>,
    /// What honest nodes could prove then.
    pub(crate) proven: BTreeSet<Offence>,
    pub(crate) pace: Pace,
    /// Faults and clients that the seed drew, those that are left out too.
    planned: (usize, usize),
    timeline: Option<Timeline>,
}

/// A crash of one node at one of its syncs, in a run without any other fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Crash {
    /// Which node.
    pub node: usize,
    /// At which of its syncs, from 1 on: of the guard, of the batch log, of the database.
    pub sync: u64,
    /// Was it made before the crash, or is it lost?
    pub made: bool,
}

/// Runs the simulation of a seed.
///
/// # Errors
/// [`Violation`]: the first invariant that did not hold.
#[allow(clippy::result_large_err, reason = "one, at the end of a failed run")]
pub fn simulate(seed: u64, sabotage: Option<Sabotage>) -> Result<Report, Violation> {
    play((seed, Run::Seed(seed)), World::new(seed, sabotage, &Without::default())).0
}

/// Runs the simulation of a seed, with one Byzantine validator of this kind in place of those that it draws.
///
/// # Errors
/// [`Violation`]: the first invariant that did not hold.
#[allow(clippy::result_large_err, reason = "one, at the end of a failed run")]
pub fn misbehave(seed: u64, kind: Kind) -> Result<Report, Violation> {
    play((seed, Run::Byzantine(seed, kind)), World::drawn(seed, None, &Without::default(), Some(kind))).0
}

/// Runs four validators over more than 200 blocks in good weather, with one crash or none.
///
/// # Errors
/// [`Violation`]: the first invariant that did not hold.
#[allow(clippy::result_large_err, reason = "one, at the end of a failed run")]
pub fn drill(seed: u64, crash: Option<Crash>) -> Result<Report, Violation> {
    play((seed, Run::Drill(seed, crash)), World::calm(seed, crash, 60)).0
}

/// Runs a world to its end; with what happened, if that was recorded.
pub(crate) fn play(
    (seed, run): (u64, Run),
    world: Result<(World, u64), Breach>,
) -> (Result<Report, Violation>, Timeline) {
    let violation = |at_us| move |breach| Violation { run, at_us, breach: Box::new(breach) };
    let (mut world, end_us) = match world {
        Ok(world) => world,
        Err(breach) => return (Err(violation(0)(breach)), Timeline::default()),
    };
    let mut events = 0;
    let result = world.run(end_us, &mut events);
    let now = world.now_us;
    let timeline = world.timeline.take().unwrap_or_default();
    (result.map(|()| world.report(seed, events)).map_err(violation(now)), timeline)
}

impl World {
    fn report(self, seed: u64, events: u64) -> Report {
        let world = self;
        Report {
            seed,
            nodes: world.chain.validator_keys.len(),
            byzantine: world.byzantine.iter().map(|(node, byzantine)| (*node, byzantine.kind)).collect(),
            trace: world.trace.finish(),
            events,
            height: world.invariants.highest(),
            views: world.invariants.views(),
            timeouts_in_a_row: in_a_row(&world.timeouts),
            epochs: world.rosters.count(),
            signs: world.nodes.iter().map(Node::signs).collect(),
            syncs: world.nodes.iter().map(|node| node.syncs).collect(),
            transactions: world.clients.len(),
            took_us: world.now_us,
            fired: world.fired,
        }
    }

    /// Keeps what happens from here on.
    pub(crate) fn record(&mut self) {
        self.timeline = Some(Timeline { nodes: self.nodes.len(), lines: Vec::new() });
    }

    /// Faults and clients that the seed drew.
    pub(crate) fn planned(&self) -> (usize, usize) {
        self.planned
    }

    /// Something happened.
    pub(crate) fn note(&mut self, node: Option<usize>, deed: impl FnOnce() -> Deed) {
        if let Some(timeline) = &mut self.timeline {
            timeline.lines.push(Line { at_us: self.now_us, node, deed: deed() });
        }
    }
}

impl World {
    /// A world of what the seed draws.
    pub(crate) fn new(seed: u64, sabotage: Option<Sabotage>, without: &Without) -> Result<(Self, u64), Breach> {
        World::drawn(seed, sabotage, without, None)
    }

    /// Likewise; with a kind, one validator is of it and the others are honest.
    fn drawn(
        seed: u64,
        sabotage: Option<Sabotage>,
        without: &Without,
        kind: Option<Kind>,
    ) -> Result<(Self, u64), Breach> {
        let mut dice = Dice::new(seed);
        let usual = dice.pick(&SIZES).ok_or_else(|| missing("nodes"))?;
        let large = LARGE.iter().find(|(every, _)| seed.is_multiple_of(*every));
        let count = large.map_or(usual, |(_, count)| *count);
        let epoch_length = dice.pick(&[10, 25, 1_000_000, 1_000_000]).ok_or_else(|| missing("epoch"))?;
        let weather = weather(&mut dice);
        let (byzantine, owners) = match kind {
            Some(kind) => cast_one(&mut dice, count, kind),
            None => cast(&mut dice, count),
        };
        let real = seed.is_multiple_of(REAL_SIGNATURES_EVERY);
        let mut world = World::of(dice, (count, &owners), epoch_length, weather, real)?;
        (world.byzantine, world.sabotage) = (byzantine, sabotage);
        let end_us = world.dice.between(200_000_000, 240_000_000);
        world.plan(end_us, without)?;
        Ok((world, end_us))
    }

    /// Four nodes, good weather, nobody Byzantine, steady clients; epochs end several times.
    pub(crate) fn calm(seed: u64, crash: Option<Crash>, epoch_length: u64) -> Result<(Self, u64), Breach> {
        let mut world = World::of(Dice::new(seed), (4, &[0, 1, 2, 3]), epoch_length, Weather::GOOD, false)?;
        world.drill = crash;
        for client in 0..CALM_CLIENTS {
            let node = usize::try_from(client % 4).unwrap_or(0);
            let transaction = world.chain.transfer(client, (node, 0, (node + 1) % 4, 1), 1, &world.memo);
            let transaction = transaction.map_err(|error| Breach::Simulator(format!("{error:#}")))?;
            world.clients.push(Client { transaction, accepted_by: Vec::new() });
            let client = world.clients.len() - 1;
            let at = 100_000 + CALM_PAUSE_US * u64::try_from(client).unwrap_or(0);
            world.at(at, Happening::Submit { client, node: Some(node) });
        }
        let end_us = 200_000 + CALM_PAUSE_US * CALM_CLIENTS;
        world.at(end_us, Happening::Heal);
        Ok((world, end_us))
    }

    pub(crate) fn of(
        dice: Dice,
        (count, owners): (usize, &[usize]),
        epoch_length: u64,
        weather: Weather,
        real: bool,
    ) -> Result<Self, Breach> {
        let chain = chain(count, epoch_length).map_err(|error| Breach::Simulator(format!("{error:#}")))?;
        World::on(dice, chain, owners, epoch_length, weather, real)
    }

    /// A world of machines of these owners, on a chain.
    pub(crate) fn on(
        mut dice: Dice,
        chain: Chain,
        owners: &[usize],
        epoch_length: u64,
        weather: Weather,
        real: bool,
    ) -> Result<Self, Breach> {
        let nodes = owners.iter().map(|owner| Node::new(*owner, owners.len(), &chain, &mut dice)).collect();
        let mut invariants = Invariants::default();
        let opening = audit(chain.state.iter()).map_err(|fatal| Breach::Simulator(fatal.to_string()))?;
        invariants.set_supply(opening.supply);
        Ok(World {
            now_us: 0,
            context: PeerContext::new(chain.digest, chain.set.clone()).keeping_all(),
            rosters: Rosters::new(chain.validator_keys.iter().map(SecretKey::public).collect(), &chain.set),
            chain,
            epoch_length,
            sabotage: None,
            drill: None,
            memo: if real { Memo::real() } else { Memo::imitating() },
            network: Network::new(owners.len(), weather),
            dice,
            nodes,
            byzantine: BTreeMap::new(),
            invariants,
            fired: Fired::default(),
            trace: TRACE.stream(),
            post: Post::default(),
            meter: None,
            agenda: Agenda::default(),
            clients: Vec::new(),
            timeouts: BTreeSet::new(),
            healed_at: None,
            proven: BTreeSet::new(),
            pace: Pace::default(),
            planned: (0, 0),
            timeline: None,
        })
    }

    /// Schedules clients and faults.
    fn plan(&mut self, end_us: u64, without: &Without) -> Result<(), Breach> {
        let (count, validators) = (self.nodes.len(), self.chain.validator_keys.len());
        let clients = usize::try_from(self.dice.between(20, 120)).unwrap_or(20);
        for number in 0..clients {
            let places =
                (self.dice.index(validators), self.dice.index(3), self.dice.index(validators), self.dice.index(3));
            let amount = self.dice.between(1, 1_000);
            let nonce = u64::try_from(number).unwrap_or(0);
            let transaction = self.chain.transfer(nonce, places, amount, &self.memo);
            let transaction = transaction.map_err(|error| Breach::Simulator(format!("{error:#}")))?;
            let at = self.dice.between(100_000, end_us);
            // Some clients submit the same transaction to several banks at once.
            let everywhere = self.dice.chance(150);
            let first = self.dice.index(count);
            if without.clients.contains(&number) {
                continue;
            }
            self.clients.push(Client { transaction, accepted_by: Vec::new() });
            let client = self.clients.len() - 1;
            for node in (0..count).filter(|node| everywhere || *node == first) {
                self.at(at, Happening::Submit { client, node: Some(node) });
            }
        }
        let mut crashes = Vec::new();
        // At most f validators lose what they vouched for, or never meant it.
        let twins = count - validators;
        let faulty = ((validators - 1) / 3).saturating_sub(self.byzantine.len() - twins);
        for (node, byzantine) in &self.byzantine {
            if byzantine.kind == Kind::Amnesiac {
                for _ in 0..self.dice.between(1, 6) {
                    let (at, for_us) = (self.dice.between(300_000, end_us), self.dice.between(50_000, 1_000_000));
                    let strike = Strike::Crash { node: *node, for_us, damage: Damage::None };
                    crashes.push((at, strike));
                }
            }
        }
        let strikes: Vec<_> = schedule(&mut self.dice, count, faulty, end_us).into_iter().chain(crashes).collect();
        self.planned = (strikes.len(), clients);
        for (place, (at, strike)) in strikes.into_iter().enumerate() {
            if !without.strikes.contains(&place) {
                self.at(at, Happening::Strike(strike));
            }
        }
        self.at(end_us, Happening::Heal);
        Ok(())
    }

    /// Schedules something at a time.
    pub(crate) fn at(&mut self, at_us: u64, happening: Happening) {
        self.agenda.insert(at_us.max(self.now_us), happening);
    }
    /// Schedules something after a while.
    pub(crate) fn after(&mut self, delay_us: u64, happening: Happening) {
        self.at(self.now_us + delay_us, happening);
    }

    /// Starts every node.
    pub(crate) fn start(&mut self) -> Result<(), Breach> {
        (0..self.nodes.len()).try_for_each(|node| self.boot(node))
    }

    /// Lets everything happen that is due by a time.
    pub(crate) fn run_until(&mut self, end_us: u64) -> Result<(), Breach> {
        while let Some((at, happening)) = self.agenda.pop_until(end_us) {
            self.now_us = at;
            self.happen(happening)?;
        }
        self.now_us = end_us;
        Ok(())
    }

    /// The highest view that any node is in.
    pub(crate) fn view(&self) -> u64 {
        self.furthest().map_or(0, |(_, view)| view.get())
    }

    fn run(&mut self, end_us: u64, events: &mut u64) -> Result<(), Breach> {
        self.start()?;
        while let Some((at, happening)) = self.agenda.pop() {
            self.now_us = at;
            *events += 1;
            self.happen(happening)?;
            if self.healed_at.is_some() && events.is_multiple_of(64) {
                self.check_pace()?;
                if self.is_settled() && self.unexposed().is_none() {
                    return self.check_end();
                }
                if at > end_us + LIVE_WITHIN_US {
                    break;
                }
            }
        }
        if let Some(breach) = self.unexposed().filter(|_| self.is_settled()) {
            return Err(breach);
        }
        let highest = self.last_receipt();
        let missing = self.clients.iter().filter(|client| self.receipt(client).is_none()).count();
        let heights: Vec<u64> = self.honest().map(|node| node.disk.height()).collect();
        let behind = heights.iter().filter(|height| **height < highest).count();
        Err(Breach::NotLive { missing: missing.max(behind), submitted: self.clients.len(), heights })
    }

    fn happen(&mut self, happening: Happening) -> Result<(), Breach> {
        match happening {
            Happening::Deliver { from, to, boot, message } if self.is_current(to, boot) => {
                self.hear(to, &message.message)?;
                self.deliver(from, to, &message)
            }
            Happening::Tick { node, boot } if self.is_current(node, boot) => self.tick(node),
            Happening::Local { node, boot, event } if self.is_current(node, boot) => self.feed(node, *event),
            Happening::Gone { node, boot, owner } if self.is_current(node, boot) => {
                let epoch = self.nodes[node].running.as_ref().map_or(0, |running| running.epoch_heard);
                self.invariants.pace.disconnected(self.now_us, node);
                match self.rosters.place(epoch, owner) {
                    Some(place) => self.feed(node, Event::Disconnected(place)),
                    None => Ok(()),
                }
            }
            Happening::Persisted { node, boot } if self.is_current(node, boot) => self.persisted(node),
            Happening::Stored { node, boot } if self.is_current(node, boot) => self.stored(node),
            Happening::Written { node, boot } if self.is_current(node, boot) => self.written(node),
            Happening::Deliver { .. }
            | Happening::Tick { .. }
            | Happening::Local { .. }
            | Happening::Gone { .. }
            | Happening::Persisted { .. }
            | Happening::Stored { .. }
            | Happening::Written { .. } => Ok(()),
            Happening::Connect { one, other } => self.connect(one, other),
            Happening::Submit { client, node } => self.submit(client, node),
            Happening::Strike(strike) => {
                self.strike(strike);
                Ok(())
            }
            Happening::Restart { node } => {
                if self.nodes[node].running.is_none() {
                    self.fired.count(Fault::Restart);
                }
                self.boot(node)
            }
            Happening::Heal => self.heal(),
        }
    }

    /// Whose machine it is.
    pub(crate) fn owner(&self, node: usize) -> usize {
        self.nodes.get(node).map_or(usize::MAX, |node| node.owner)
    }
    /// The place that `node` has in the epoch that `by` is in; none when it does not serve there.
    pub(crate) fn place(&self, node: usize, by: usize) -> Option<ValidatorIndex> {
        let epoch = self.nodes.get(by)?.running.as_ref()?.epoch_heard;
        self.rosters.place(epoch, self.owner(node))
    }
    pub(crate) fn is_honest(&self, node: usize) -> bool {
        !self.byzantine.contains_key(&node)
    }
    pub(crate) fn honest(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter().enumerate().filter(|(at, _)| self.is_honest(*at)).map(|(_, node)| node)
    }

    fn is_current(&self, node: usize, boot: u64) -> bool {
        self.nodes.get(node).is_some_and(|node| node.boot == boot && node.running.is_some())
    }

    fn connect(&mut self, one: usize, other: usize) -> Result<(), Breach> {
        let possible = self.owner(one) != self.owner(other)
            && self.nodes[one].running.is_some()
            && self.nodes[other].running.is_some()
            && !self.nodes[one].connected[other]
            && self.network.is_up(self.now_us, one, other)
            && self.network.is_up(self.now_us, other, one);
        if !possible {
            return Ok(());
        }
        self.nodes[one].connected[other] = true;
        self.nodes[other].connected[one] = true;
        self.greet(one, other)?;
        self.greet(other, one)
    }

    /// Tells a node of a connection, when whoever is at the other end serves in its epoch.
    pub(crate) fn greet(&mut self, node: usize, other: usize) -> Result<(), Breach> {
        self.invariants.pace.connected(self.now_us, node, other);
        match self.place(other, node) {
            Some(place) => self.feed(node, Event::Connected(place)),
            None => Ok(()),
        }
    }

    /// A full scan of every node's state. Roots of every height were compared as they were executed.
    fn check_end(&self) -> Result<(), Breach> {
        let opening = audit(self.chain.state.iter()).map_err(|fatal| Breach::Simulator(fatal.to_string()))?;
        for (at, node) in self.nodes.iter().enumerate().filter(|(at, _)| self.is_honest(*at)) {
            let height = node.disk.height();
            let due =
                node.guard_epoch().is_none_or(|epoch| epoch <= height.checked_div(self.epoch_length).unwrap_or(0));
            let serves = self.rosters.serves(node.owner);
            if serves && due && !node.disk.guard_lost && node.running.is_some() && !node.signs() {
                return Err(Breach::Silent { node: at });
            }
            match audit(node.disk.state.iter()) {
                Ok(found) if found.supply == opening.supply => {}
                Ok(_) | Err(_) => return Err(Breach::Supply { node: at, height }),
            }
        }
        Ok(())
    }
}

/// The most views that follow each other.
fn in_a_row(views: &BTreeSet<(Epoch, View)>) -> u64 {
    let (mut most, mut run, mut last) = (0, 0, None);
    for (epoch, view) in views {
        run = if last == Some((*epoch, *view)) { run + 1 } else { 1 };
        most = most.max(run);
        last = Some((*epoch, view.saturating_add(1)));
    }
    most
}
