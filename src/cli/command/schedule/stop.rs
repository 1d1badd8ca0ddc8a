//! Somebody wants the program to end: the first signal asks, the second does not.

use std::sync::Arc;

use tokio::sync::watch;

/// Whether somebody asked.
#[derive(Clone)]
pub(super) struct Stop {
    asked: watch::Receiver<bool>,
    /// Keeps the question open where no signal can be heard.
    _asks: Arc<watch::Sender<bool>>,
}

impl Stop {
    /// Listens for an interrupt and for a request to end.
    pub(super) fn listen() -> Stop {
        let (sender, asked) = watch::channel(false);
        let sender = Arc::new(sender);
        let asks = Arc::clone(&sender);
        tokio::spawn(async move {
            signal().await;
            asks.send_replace(true);
            signal().await;
            // Whatever is under way, a kill does it no harm either.
            std::process::exit(130);
        });
        Stop { asked, _asks: sender }
    }

    /// Whether somebody asked so far.
    pub(super) fn is_asked(&self) -> bool {
        *self.asked.borrow()
    }

    /// Returns when somebody asks.
    pub(super) async fn asked(&self) {
        let mut asked = self.asked.clone();
        // The sender lives as long as this.
        let _asked = asked.wait_for(|asked| *asked).await;
    }
}

#[cfg(unix)]
async fn signal() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {}
        },
        Err(_) => drop(tokio::signal::ctrl_c().await),
    }
}

#[cfg(not(unix))]
async fn signal() {
    let _heard = tokio::signal::ctrl_c().await;
}
