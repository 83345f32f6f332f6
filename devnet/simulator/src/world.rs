//! The simulated world: virtual time, nodes, links, clients and faults, all driven from one seed.
//!
//! Must not know: how a node works inside.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use tonle_crypto::{Digest, Domain, StreamingDigest, Verified};
use tonle_ledger::{SignedTransaction, audit};
use tonle_replica::{CheckedMessage, Event, Misbehaviour, PeerContext};

use crate::chain::Chain;
use crate::dice::Dice;
use crate::disk::Disk;
use crate::faults::{Fault, Fired, Strike, schedule, weather};
use crate::invariants::{Breach, Invariants, Violation};
use crate::memo::Memo;
use crate::network::Network;
use crate::node::{Node, chain, missing, validator};

static TRACE: Domain = Domain::new("tonle v1 simulator trace");

/// A client asks again after this long without its receipt, in microseconds.
const CLIENT_PATIENCE_US: u64 = 2_000_000;
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
    /// Digest of everything that happened: equal for equal seeds.
    pub trace: Digest,
    /// Events handled.
    pub events: u64,
    /// The highest height.
    pub height: u64,
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
    Deliver { from: usize, to: usize, boot: u64, message: Rc<CheckedMessage> },
    Tick { node: usize, boot: u64 },
    Local { node: usize, boot: u64, event: Box<Event> },
    Persisted { node: usize, boot: u64 },
    Stored { node: usize, boot: u64 },
    Written { node: usize, boot: u64 },
    Connect { one: usize, other: usize },
    Submit { client: usize, node: Option<usize> },
    Strike(Strike),
    Restart { node: usize },
    Heal,
}

struct Client {
    transaction: Arc<Verified<SignedTransaction>>,
    accepted_by: Vec<usize>,
}

/// See the module.
pub(crate) struct World {
    pub(crate) now_us: u64,
    pub(crate) chain: Chain,
    pub(crate) context: PeerContext,
    pub(crate) epoch_length: u64,
    pub(crate) sabotage: Option<Sabotage>,
    pub(crate) memo: Memo,
    pub(crate) dice: Dice,
    pub(crate) network: Network,
    pub(crate) nodes: Vec<Node>,
    pub(crate) invariants: Invariants,
    pub(crate) fired: Fired,
    pub(crate) trace: StreamingDigest,
    agenda: BTreeMap<(u64, u64), Happening>,
    scheduled: u64,
    clients: Vec<Client>,
    healed: bool,
}

/// Runs the simulation of a seed.
///
/// # Errors
/// [`Violation`]: the first invariant that did not hold.
#[allow(clippy::result_large_err, reason = "one, at the end of a failed run")]
pub fn simulate(seed: u64, sabotage: Option<Sabotage>) -> Result<Report, Violation> {
    let violation = |at_us| move |breach| Violation { seed, at_us, breach: Box::new(breach) };
    let (mut world, end_us) = World::new(seed, sabotage).map_err(violation(0))?;
    let mut events = 0;
    let result = world.run(end_us, &mut events);
    let now = world.now_us;
    result.map_err(violation(now))?;
    Ok(Report {
        seed,
        nodes: world.nodes.len(),
        trace: world.trace.finish(),
        events,
        height: world.invariants.highest(),
        transactions: world.clients.len(),
        took_us: now,
        fired: world.fired,
    })
}

impl World {
    fn new(seed: u64, sabotage: Option<Sabotage>) -> Result<(Self, u64), Breach> {
        let mut dice = Dice::new(seed);
        let count = dice.pick(&[4, 4, 5, 7]).ok_or_else(|| missing("nodes"))?;
        let epoch_length = dice.pick(&[10, 25, 1_000_000, 1_000_000]).ok_or_else(|| missing("epoch"))?;
        let chain = chain(count, epoch_length).map_err(|error| Breach::Simulator(format!("{error:#}")))?;
        let weather = weather(&mut dice);
        let nodes = (0..count)
            .map(|_| Node {
                disk: Disk::new(&chain),
                running: None,
                boot: 0,
                clock_ms: dice.below(150),
                slow_disk_until: 0,
                damaged: false,
                connected: vec![false; count],
            })
            .collect();
        let mut invariants = Invariants::default();
        let opening = audit(chain.state.iter()).map_err(|fatal| Breach::Simulator(fatal.to_string()))?;
        invariants.set_supply(opening.supply);
        let mut world = World {
            now_us: 0,
            context: PeerContext::new(chain.digest, chain.set.clone()),
            chain,
            epoch_length,
            sabotage,
            memo: Memo::default(),
            network: Network::new(count, weather),
            dice,
            nodes,
            invariants,
            fired: Fired::default(),
            trace: TRACE.stream(),
            agenda: BTreeMap::new(),
            scheduled: 0,
            clients: Vec::new(),
            healed: false,
        };
        let end_us = world.dice.between(2_000_000, 8_000_000);
        world.plan(end_us)?;
        Ok((world, end_us))
    }

    /// Schedules clients and faults.
    fn plan(&mut self, end_us: u64) -> Result<(), Breach> {
        let count = self.nodes.len();
        for client in 0..usize::try_from(self.dice.between(20, 120)).unwrap_or(20) {
            let places = (self.dice.index(count), self.dice.index(3), self.dice.index(count), self.dice.index(3));
            let amount = self.dice.between(1, 1_000);
            let number = u64::try_from(client).unwrap_or(0);
            let transaction = self.chain.transfer(number, places, amount, &self.memo);
            let transaction = transaction.map_err(|error| Breach::Simulator(format!("{error:#}")))?;
            self.clients.push(Client { transaction, accepted_by: Vec::new() });
            let at = self.dice.between(100_000, end_us);
            // Some clients submit the same transaction to several banks at once.
            let everywhere = self.dice.chance(150);
            let first = self.dice.index(count);
            for node in (0..count).filter(|node| everywhere || *node == first) {
                self.at(at, Happening::Submit { client, node: Some(node) });
            }
        }
        for (at, strike) in schedule(&mut self.dice, count, end_us) {
            self.at(at, Happening::Strike(strike));
        }
        self.at(end_us, Happening::Heal);
        Ok(())
    }

    /// Schedules something at a time.
    pub(crate) fn at(&mut self, at_us: u64, happening: Happening) {
        self.scheduled += 1;
        self.agenda.insert((at_us.max(self.now_us), self.scheduled), happening);
    }
    /// Schedules something after a while.
    pub(crate) fn after(&mut self, delay_us: u64, happening: Happening) {
        self.at(self.now_us + delay_us, happening);
    }

    fn run(&mut self, end_us: u64, events: &mut u64) -> Result<(), Breach> {
        for node in 0..self.nodes.len() {
            self.boot(node)?;
        }
        while let Some(((at, _), happening)) = self.agenda.pop_first() {
            self.now_us = at;
            *events += 1;
            self.happen(happening)?;
            if self.healed && events.is_multiple_of(64) {
                if self.is_settled() {
                    return self.check_end();
                }
                if at > end_us + LIVE_WITHIN_US {
                    break;
                }
            }
        }
        let highest = self.last_receipt();
        let missing = self.clients.iter().filter(|client| self.receipt(client).is_none()).count();
        let heights: Vec<u64> = self.nodes.iter().map(|node| node.disk.height()).collect();
        let behind = heights.iter().filter(|height| **height < highest).count();
        Err(Breach::NotLive { missing: missing.max(behind), submitted: self.clients.len(), heights })
    }

    fn happen(&mut self, happening: Happening) -> Result<(), Breach> {
        match happening {
            Happening::Deliver { from, to, boot, message } if self.is_current(to, boot) => {
                self.feed(to, Event::Peer { from: validator(from), message: CheckedMessage::clone(&message) })
            }
            Happening::Tick { node, boot } if self.is_current(node, boot) => self.tick(node),
            Happening::Local { node, boot, event } if self.is_current(node, boot) => self.feed(node, *event),
            Happening::Persisted { node, boot } if self.is_current(node, boot) => self.persisted(node),
            Happening::Stored { node, boot } if self.is_current(node, boot) => self.stored(node),
            Happening::Written { node, boot } if self.is_current(node, boot) => self.written(node),
            Happening::Deliver { .. }
            | Happening::Tick { .. }
            | Happening::Local { .. }
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

    fn is_current(&self, node: usize, boot: u64) -> bool {
        self.nodes.get(node).is_some_and(|node| node.boot == boot && node.running.is_some())
    }

    fn connect(&mut self, one: usize, other: usize) -> Result<(), Breach> {
        let possible = one != other
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
        self.feed(one, Event::Connected(validator(other)))?;
        self.feed(other, Event::Connected(validator(one)))
    }

    /// A client submits, and comes back until it has its receipt. One whose transaction a node accepted trusts it, for
    /// as long as that node loses no files.
    fn submit(&mut self, client: usize, node: Option<usize>) -> Result<(), Breach> {
        let transaction = Arc::clone(&self.clients[client].transaction);
        if self.invariants.receipt(&transaction.id()).is_some() {
            return Ok(());
        }
        self.after(CLIENT_PATIENCE_US, Happening::Submit { client, node: None });
        let trusted = self.clients[client].accepted_by.iter().any(|by| !self.nodes[*by].damaged);
        if node.is_none() && trusted {
            return Ok(());
        }
        let live: Vec<usize> = (0..self.nodes.len()).filter(|node| self.nodes[*node].running.is_some()).collect();
        let Some(node) = node.or_else(|| self.dice.pick(&live)) else { return Ok(()) };
        let ticket = u64::try_from(client).unwrap_or(0);
        self.feed(node, Event::Submitted { transaction, ticket })
    }

    /// A node says that a transaction is durable in its lane.
    pub(crate) fn accepted(&mut self, node: usize, ticket: u64) {
        let client = usize::try_from(ticket).ok().and_then(|client| self.clients.get_mut(client));
        if let Some(client) = client {
            client.accepted_by.push(node);
        }
    }

    /// Nobody here is Byzantine: only one that lost its batch log may ever contradict itself.
    pub(crate) fn accused(&self, by: usize, proof: &Misbehaviour) -> Result<(), Breach> {
        let accused = match proof {
            Misbehaviour::Consensus(evidence) => evidence.signer.index(),
            Misbehaviour::Lane { first, .. } => first.lane().index(),
        };
        let lane = matches!(proof, Misbehaviour::Lane { .. });
        if lane && self.nodes.get(accused).is_some_and(|node| node.damaged) {
            return Ok(());
        }
        Err(Breach::HonestRefused { node: accused, why: format!("node {by} has proof of {proof:?}") })
    }

    fn strike(&mut self, strike: Strike) {
        if self.healed {
            return;
        }
        let now = self.now_us;
        match strike {
            Strike::Split { side, one_way, silent, for_us } => {
                let others: Vec<usize> = (0..self.nodes.len()).filter(|node| !side.contains(node)).collect();
                for (one, other) in side.iter().flat_map(|one| others.iter().map(move |other| (*one, *other))) {
                    self.network.cut(one, other, now + for_us);
                    if !one_way {
                        self.network.cut(other, one, now + for_us);
                    }
                    if !silent {
                        self.disconnect(one, other);
                        self.disconnect(other, one);
                    }
                    self.after(for_us + 1, Happening::Connect { one, other });
                }
            }
            Strike::Slow { node, for_us } => self.network.slow(node, now + for_us),
            Strike::SlowDisk { node, for_us } => self.nodes[node].slow_disk_until = now + for_us,
            Strike::CrashAll { for_us } => {
                self.fired.count(Fault::CrashOfAll);
                for node in 0..self.nodes.len() {
                    self.crash(node);
                    let delay = for_us + self.dice.below(500_000);
                    self.after(delay, Happening::Restart { node });
                }
            }
            Strike::Crash { node, for_us, wipe, lose_guard } => {
                self.crash(node);
                if wipe {
                    self.fired.count(Fault::Wipe);
                    self.nodes[node].damaged = true;
                    self.nodes[node].disk.wipe(&self.chain);
                }
                if lose_guard {
                    self.fired.count(Fault::GuardLost);
                    self.nodes[node].damaged = true;
                    self.nodes[node].disk.guard = None;
                    self.nodes[node].disk.guard_lost = true;
                }
                self.after(for_us, Happening::Restart { node });
            }
        }
    }

    /// The faults end: links carry everything, and whoever is down comes back.
    fn heal(&mut self) -> Result<(), Breach> {
        self.healed = true;
        self.network.heal();
        for node in 0..self.nodes.len() {
            self.nodes[node].slow_disk_until = 0;
            if self.nodes[node].running.is_none() {
                self.fired.count(Fault::Restart);
                self.boot(node)?;
            }
        }
        for one in 0..self.nodes.len() {
            for other in 0..one {
                self.after(10_000, Happening::Connect { one, other });
            }
        }
        Ok(())
    }

    fn receipt(&self, client: &Client) -> Option<u64> {
        self.invariants.receipt(&client.transaction.id())
    }
    fn last_receipt(&self) -> u64 {
        self.clients.iter().filter_map(|client| self.receipt(client)).max().unwrap_or(0)
    }

    /// Is every transaction final on every node?
    fn is_settled(&self) -> bool {
        let last = self.last_receipt();
        self.clients.iter().all(|client| self.receipt(client).is_some())
            && self.nodes.iter().all(|node| node.disk.height() >= last)
    }

    /// A full scan of every node's state. Roots of every height were compared as they were executed.
    fn check_end(&self) -> Result<(), Breach> {
        let opening = audit(self.chain.state.iter()).map_err(|fatal| Breach::Simulator(fatal.to_string()))?;
        for (at, node) in self.nodes.iter().enumerate() {
            let height = node.disk.height();
            match audit(node.disk.state.iter()) {
                Ok(found) if found.supply == opening.supply => {}
                Ok(_) | Err(_) => return Err(Breach::Supply { node: at, height }),
            }
        }
        Ok(())
    }
}
