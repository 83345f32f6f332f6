//! Answers peers' requests for what is on disk, on a thread of its own, so that a peer that catches up never delays a
//! vote. What may be asked how often, the replica decides before it hands a request here.

use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use tonle_crypto::PublicKey;
use tonle_replica::{BlockSource, Found, PeerMessage, Query, Request, Response, serve};

use crate::network::{Destination, Network, Responder};
use crate::snapshots::Snapshots;

/// Requests that wait. Each peer may have eight under way at the network's door; beyond, a request goes unanswered and
/// its peer asks somebody else.
const WAITING_MAX: usize = 256;

enum Asked {
    Validator(PublicKey, Request),
    Observer(Responder, Request),
}

/// Hands requests to the thread; dropping it ends the thread.
#[derive(Debug)]
pub struct SyncServer {
    queue: SyncSender<Asked>,
    // Not joined: it ends when the last sender is gone, and holds nothing that must be flushed.
    _thread: JoinHandle<()>,
}

impl SyncServer {
    /// Starts the thread, which reads from `source` and answers over `network`. What is asked of `snapshots` these answer,
    /// mostly on threads of their own.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(
        source: impl BlockSource + Send + 'static,
        snapshots: Snapshots,
        network: Network,
    ) -> std::io::Result<Self> {
        let (queue, asked) = sync_channel(WAITING_MAX);
        let thread = std::thread::Builder::new()
            .name("sync-server".to_owned())
            .spawn(move || answer_all(&asked, &source, &snapshots, &network))?;
        Ok(SyncServer { queue, _thread: thread })
    }

    /// Answers a validator. Never waits: when too many wait already, the request is dropped.
    pub fn serve(&self, to: PublicKey, request: Request) {
        self.push(Asked::Validator(to, request));
    }

    /// A way for observers' requests, which do not pass through the event loop.
    #[must_use]
    pub fn observers(&self) -> ObserverRequests {
        ObserverRequests(self.queue.clone())
    }

    fn push(&self, asked: Asked) {
        if let Err(TrySendError::Full(_)) = self.queue.try_send(asked) {
            tracing::debug!("sync request dropped: too many wait");
        }
    }
}

/// Takes observers' requests. See [`SyncServer::observers`].
#[derive(Debug, Clone)]
pub struct ObserverRequests(SyncSender<Asked>);

impl ObserverRequests {
    /// Answers an observer, or drops its request when too many wait.
    pub fn serve(&self, responder: Responder, request: Request) {
        if let Err(TrySendError::Full(_)) = self.0.try_send(Asked::Observer(responder, request)) {
            tracing::debug!("sync request of an observer dropped: too many wait");
        }
    }
}

fn answer_all(asked: &Receiver<Asked>, source: &dyn BlockSource, snapshots: &Snapshots, network: &Network) {
    while let Ok(next) = asked.recv() {
        let (request, respond): (_, Box<dyn FnOnce(Response) + Send>) = match next {
            Asked::Validator(to, request) => {
                let network = network.clone();
                let send =
                    move |response| network.send(&Destination::Validators(vec![to]), &PeerMessage::Response(response));
                (request, Box::new(send))
            }
            Asked::Observer(responder, request) => (request, Box::new(move |response| responder.respond(response))),
        };
        match request.query {
            Query::Snapshot(query) => {
                snapshots
                    .answer(query, move |found| respond(Response { id: request.id, found: Found::Snapshot(found) }));
            }
            Query::Block { .. } | Query::Batches { .. } | Query::FinalBlocks { .. } | Query::Epoch => {
                respond(serve(&request, source));
            }
        }
    }
}
