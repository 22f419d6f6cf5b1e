//! A client whose orders go on whatever others do: one order after the other, each awaited, on a thread of its own.
//!
//! It fails the test where an answer does not come in time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;

use super::client::Client;
use super::world::wait;

pub struct Steady {
    acknowledged: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Client>>,
}

impl Steady {
    /// `client` is logged on, and a desk acknowledges and fills whatever comes.
    pub fn start(mut client: Client) -> Self {
        let acknowledged = Arc::new(AtomicU64::new(0));
        let stop = Arc::new(AtomicBool::new(false));
        let (count, end) = (acknowledged.clone(), stop.clone());
        let thread = std::thread::spawn(move || {
            for at in 0.. {
                if end.load(Ordering::Acquire) {
                    break;
                }
                client.order(&format!("steady{at}"), "38=1");
                client.report(&format!("11=steady{at} 150=0 39=0"));
                client.report(&format!("11=steady{at} 39=2 14=1"));
                count.store(at + 1, Ordering::Release);
                client.conn.forget_old();
            }
            client
        });
        Self {
            acknowledged,
            stop,
            thread: Some(thread),
        }
    }

    pub fn acknowledged(&self) -> u64 {
        self.acknowledged.load(Ordering::Acquire)
    }

    /// Waits until orders that are sent from now on have come back.
    #[track_caller]
    pub fn goes_on(&self) {
        let before = self.acknowledged();
        wait("others' orders to go on", || {
            (self.acknowledged() >= before + 3).then_some(())
        });
    }

    /// Every order sent was acknowledged and filled; how many.
    pub fn stop(mut self) -> (Client, u64) {
        self.stop.store(true, Ordering::Release);
        let thread = self.thread.take().expect("runs");
        let client = thread.join().expect("every order came back");
        (client, self.acknowledged())
    }
}

impl Drop for Steady {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
    }
}
