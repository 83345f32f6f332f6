//! The one process that a devnet hangs on: it starts the validators, carries what they say to each other, and does
//! what commands ask over the control socket. When it ends, however it ends, the validators end.
//!
//! It runs on the main thread: the kernel ties a child's life to the thread that started it.

mod members;

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::net::{UnixListener, UnixStream};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};
use tonle_ledger::Genesis;

use crate::configuration::{NodePorts, node_toml};
use crate::control::{self, Reply, Request, ValidatorReport};
use crate::directory::{Description, Directory, State, ValidatorProcess, write_whole};
use crate::ports::{Ports, is_free, loopback};
use crate::process::{self, Process, own_binary};
use crate::relay::Relay;

/// Ports of the first validator; the others follow it.
const GRPC_PORT: u16 = 50_051;
const METRICS_PORT: u16 = 9_100;
/// The merchant gateway of the first validator; the others follow.
const MERCHANT_PORT: u16 = 8_800;
/// How long a command may take to say what it wants.
const REQUEST_PATIENCE: Duration = Duration::from_secs(5);
/// Commands under way at once.
const REQUESTS_MAX: usize = 16;

/// One validator of the devnet.
struct Member {
    name: String,
    ports: NodePorts,
    process: Option<Process>,
    /// For people: `running`, `killed`, or how it ended.
    state: String,
}

/// See the module.
pub struct Supervisor {
    directory: Directory,
    binary: PathBuf,
    ports: Ports,
    relay: Option<Relay>,
    members: Vec<Member>,
    heal_at: Option<Instant>,
    control: UnixListener,
    _lock: File,
}

impl Supervisor {
    /// Takes the folder, opens the relay (unless `direct`) and starts every validator.
    ///
    /// # Errors
    /// When another supervisor has the folder, no port is free, or a process cannot be started.
    pub async fn start(directory: &Directory, genesis: &Genesis, direct: bool) -> Result<Self> {
        let lock = directory.lock()?;
        raise_file_limit();
        let mut ports = Ports::new(std::process::id());
        let mut members = Vec::new();
        for (offset, name) in (0u16..).zip(members::names(directory, genesis)?) {
            members.push(Member::new(name, offset, &mut ports)?);
        }
        // The relay stands between the founders; who joined later is linked directly.
        let founders = members.iter().take(genesis.validators.len());
        let targets: Vec<_> = founders.map(|member| loopback(member.ports.listen)).collect();
        let relay = if direct { None } else { Some(Relay::start(&targets).await?) };
        let mut supervisor = Supervisor {
            directory: directory.clone(),
            binary: own_binary()?,
            ports,
            relay,
            members,
            heal_at: None,
            control: control::listen(directory)?,
            _lock: lock,
        };
        // A validator that has lost its data is another matter: it has signed.
        let new = supervisor.members.iter().all(|member| !directory.data(&member.name).exists());
        for index in 0..supervisor.members.len() {
            let config = supervisor.configure(index, false)?;
            if new {
                process::found(&supervisor.binary, &config)?;
            }
        }
        for index in 0..supervisor.members.len() {
            supervisor.launch(index, false)?;
        }
        supervisor.write_state()?;
        Ok(supervisor)
    }

    /// Serves until it is told to stop, then stops every validator in order.
    ///
    /// # Errors
    /// When the system denies signals.
    pub async fn run(mut self) -> Result<()> {
        let mut ended = signal(SignalKind::child())?;
        let mut stop = [signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?];
        // A detached supervisor outlives the terminal it was started from.
        let mut hangup = signal(SignalKind::hangup())?;
        let (requests, mut asked) = mpsc::channel(REQUESTS_MAX);
        let mut down: Option<UnixStream> = None;
        loop {
            let heal_at = self.heal_at;
            tokio::select! {
                () = any(&mut stop) => break,
                _ = hangup.recv() => {}
                _ = ended.recv() => self.note_ended(),
                () = sleep_until(heal_at.unwrap_or_else(Instant::now)), if heal_at.is_some() => {
                    self.heal();
                    notice("the partition healed");
                }
                Ok((stream, _)) = self.control.accept() => {
                    tokio::spawn(receive(stream, requests.clone()));
                }
                Some((request, mut stream)) = asked.recv() => {
                    if request == Request::Down {
                        down = Some(stream);
                        break;
                    }
                    let reply = self.handle(request).await.unwrap_or_else(|error| Reply::Failed(format!("{error:#}")));
                    // A command that went away needs no answer.
                    let _ = control::answer(&mut stream, &reply).await;
                }
            }
        }
        self.stop().await;
        if let Some(mut stream) = down {
            let _ = control::answer(&mut stream, &Reply::Done("stopped".to_owned())).await;
        }
        Ok(())
    }

    async fn stop(&mut self) {
        let running = self.members.iter_mut().filter_map(|member| Some((&member.name, member.process.as_mut()?)));
        let stopping = running.map(|(name, process)| async move { (name, process.stop().await) });
        for (name, stopped) in futures::future::join_all(stopping).await {
            if !matches!(stopped, Ok(true)) {
                notice(&format!("{name} did not stop in time and was killed"));
            }
        }
        notice(&format!("stopped; state stays in {}", self.directory.root().display()));
        self.directory.remove_state();
        // The lock goes last: whoever finds it free finds nothing running.
        let _ = std::fs::remove_file(self.directory.control_socket());
    }

    /// Starts a validator that is down; with other ports where its own were taken meanwhile.
    fn launch(&mut self, index: usize, snapshot: bool) -> Result<()> {
        self.renew_ports(index)?;
        let config = self.configure(index, snapshot)?;
        let member = self.members.get_mut(index).context("no such validator")?;
        member.process = Some(Process::start(&self.binary, &config, &self.directory.log(&member.name))?);
        member.state = "running".to_owned();
        Ok(())
    }

    /// Writes a validator's configuration: where it is.
    fn configure(&self, index: usize, snapshot: bool) -> Result<PathBuf> {
        let member = self.members.get(index).context("no such validator")?;
        let peers: Vec<(&str, u16)> = (0..)
            .zip(&self.members)
            .filter(|(other, _)| *other != index)
            .map(|(other, peer)| {
                let relayed = self.relay.as_ref().and_then(|relay| relay.port(index, other));
                (peer.name.as_str(), relayed.unwrap_or(peer.ports.listen))
            })
            .collect();
        let config = self.directory.config(&member.name);
        write_whole(&config, node_toml(member.ports, &peers, snapshot).as_bytes())?;
        Ok(config)
    }

    fn renew_ports(&mut self, index: usize) -> Result<()> {
        let Some(member) = self.members.get_mut(index) else { return Ok(()) };
        let ports = &mut member.ports;
        // Without the relay the others know the port, and it must stay.
        if let Some(relay) = self.relay.as_ref().filter(|relay| relay.serves(index))
            && !is_free(ports.listen)
        {
            ports.listen = self.ports.choose(None)?;
            relay.retarget(index, loopback(ports.listen));
        }
        for port in [&mut ports.grpc, &mut ports.metrics, &mut ports.merchant] {
            if !is_free(*port) {
                *port = self.ports.choose(None)?;
            }
        }
        Ok(())
    }

    async fn handle(&mut self, request: Request) -> Result<Reply> {
        match request {
            Request::Kill { name, wipe } => self.kill(&name, wipe).await,
            Request::Restart { name, snapshot } => self.restart(&name, snapshot).await,
            Request::Join { name } => self.join(&name),
            Request::Leave { name } => self.leave(&name).await,
            Request::Partition { groups, heal_after_ms } => self.partition(&groups, heal_after_ms),
            Request::Delay { pair, delay_ms } => self.delay(pair.as_ref(), Duration::from_millis(delay_ms)),
            Request::Status => Ok(self.status()),
            Request::Down => bail!("down ends the loop"),
        }
    }

    async fn kill(&mut self, name: &str, wipe: bool) -> Result<Reply> {
        let index = self.index(name)?;
        let member = self.members.get_mut(index).context("no such validator")?;
        let Some(mut process) = member.process.take() else { bail!("{name} is down already ({})", member.state) };
        process.kill().await?;
        member.state = "killed".to_owned();
        self.write_state()?;
        let wiped = if wipe { ", disk wiped" } else { "" };
        if wipe {
            let data = self.directory.data(name);
            std::fs::remove_dir_all(&data).with_context(|| format!("cannot remove {}", data.display()))?;
        }
        notice(&format!("{name} killed (SIGKILL){wiped}"));
        Ok(Reply::Done(format!("{name} killed (SIGKILL, pid {}){wiped}", process.pid())))
    }

    async fn restart(&mut self, name: &str, snapshot: bool) -> Result<Reply> {
        let index = self.index(name)?;
        let member = self.members.get_mut(index).context("no such validator")?;
        if let Some(mut process) = member.process.take() {
            process.stop().await?;
            member.state = "stopped".to_owned();
        }
        self.launch(index, snapshot)?;
        self.write_state()?;
        notice(&format!("{name} started"));
        Ok(Reply::Done(format!("{name} started")))
    }

    fn partition(&mut self, groups: &[Vec<String>], heal_after_ms: Option<u64>) -> Result<Reply> {
        let places: Vec<BTreeSet<usize>> =
            groups.iter().map(|group| group.iter().map(|name| self.index(name)).collect()).collect::<Result<_>>()?;
        if places.iter().map(BTreeSet::len).sum::<usize>() != places.iter().flatten().collect::<BTreeSet<_>>().len() {
            bail!("a validator stands in two groups");
        }
        if groups.is_empty() {
            self.relay()?;
            self.heal();
            notice("all links healed");
            return Ok(Reply::Done("healed: every link carries again".to_owned()));
        }
        self.relay()?.partition(&places);
        self.heal_at = heal_after_ms.map(|after| Instant::now() + Duration::from_millis(after));
        let groups: Vec<String> = groups.iter().map(|group| group.join(",")).collect();
        let text = format!("partitioned {}", groups.join(" : "));
        notice(&text);
        Ok(Reply::Done(text))
    }

    fn heal(&mut self) {
        self.heal_at = None;
        if let Some(relay) = &self.relay {
            relay.partition(&[]);
        }
    }

    fn delay(&mut self, pair: Option<&(String, String)>, delay: Duration) -> Result<Reply> {
        let places = match pair {
            Some((a, b)) if a == b => bail!("a link joins two different validators"),
            Some((a, b)) => Some([(self.index(a)?, self.index(b)?)]),
            None => None,
        };
        self.relay()?.delay(places.as_ref().map(|places| places.as_slice()), delay);
        let link = pair.map_or("all links".to_owned(), |(a, b)| format!("{a} - {b}"));
        let text = format!("{link}: {} ms each way", delay.as_millis());
        notice(&text);
        Ok(Reply::Done(text))
    }

    fn status(&self) -> Reply {
        let report = |member: &Member| ValidatorReport {
            name: member.name.clone(),
            pid: member.process.as_ref().map(Process::pid),
            state: member.state.clone(),
        };
        Reply::Status { validators: self.members.iter().map(report).collect(), links: self.disturbed_links() }
    }

    /// The links that do not carry as they should, for people.
    fn disturbed_links(&self) -> Vec<String> {
        let Some(relay) = &self.relay else { return Vec::new() };
        let mut lines = Vec::new();
        for (a, left) in (0..).zip(&self.members) {
            for (b, right) in (0..).zip(&self.members).skip(a + 1) {
                let link = relay.link(a, b).unwrap_or_default();
                if link.cut {
                    lines.push(format!("{} - {}: cut", left.name, right.name));
                } else if !link.delay.is_zero() {
                    lines.push(format!("{} - {}: {} ms each way", left.name, right.name, link.delay.as_millis()));
                }
            }
        }
        lines
    }

    fn relay(&self) -> Result<&Relay> {
        self.relay
            .as_ref()
            .context("this devnet was started with --direct: there is no relay that could hold anything back")
    }

    fn index(&self, name: &str) -> Result<usize> {
        let names: Vec<&str> = self.members.iter().map(|member| member.name.as_str()).collect();
        let position = names.iter().position(|member| *member == name);
        position.with_context(|| format!("{name} is no validator here; there are: {}", names.join(" ")))
    }

    /// Children that ended by themselves.
    fn note_ended(&mut self) {
        let mut changed = false;
        for member in &mut self.members {
            let status = member.process.as_mut().map(Process::ended);
            if let Some(Ok(Some(status))) = status {
                member.process = None;
                member.state = format!("ended: {status}");
                changed = true;
                let log = self.directory.log(&member.name);
                notice(&format!("{} ended by itself ({status}); its log: {}", member.name, log.display()));
            }
        }
        if changed && let Err(error) = self.write_state() {
            notice(&format!("{error:#}"));
        }
    }

    fn write_state(&self) -> Result<()> {
        let describe = |member: &Member| ValidatorProcess {
            name: member.name.clone(),
            pid: member.process.as_ref().map(Process::pid),
            grpc: loopback(member.ports.grpc).to_string(),
            metrics: loopback(member.ports.metrics).to_string(),
            merchant: loopback(member.ports.merchant).to_string(),
        };
        let devnet = Description {
            dir: self.directory.root().to_owned(),
            genesis: self.directory.genesis(),
            validators: self.members.iter().map(describe).collect(),
        };
        self.directory.write_state(&State { supervisor: std::process::id(), devnet })
    }
}

/// 31 validators take 930 relay ports, each TCP and UDP, and their connections.
fn raise_file_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    // With the lower limit a small devnet works all the same.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}

async fn any(signals: &mut [Signal; 2]) {
    let [first, second] = signals;
    tokio::select! {
        _ = first.recv() => {}
        _ = second.recv() => {}
    }
}

async fn receive(mut stream: UnixStream, requests: mpsc::Sender<(Request, UnixStream)>) {
    match timeout(REQUEST_PATIENCE, control::receive(&mut stream)).await {
        Ok(Ok(request)) => {
            // The supervisor stops: the command sees the connection close.
            let _ = requests.send((request, stream)).await;
        }
        Ok(Err(error)) => {
            let _ = control::answer(&mut stream, &Reply::Failed(format!("{error:#}"))).await;
        }
        Err(_) => {}
    }
}

/// Says something on standard error: the terminal of `up`, or a detached supervisor's log.
fn notice(text: &str) {
    // Standard error may be closed; there is no better place to say so.
    let _ = writeln!(std::io::stderr(), "devnet: {text}");
}
