//! CPU time of threads.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use rustix::time::{ClockId, clock_gettime};

use super::{Account, Work};

/// CPU time that this thread has used.
pub fn thread_cpu() -> Duration {
    read(ClockId::ThreadCPUTime)
}

/// CPU time that all threads of this process have used.
pub fn process_cpu() -> Duration {
    read(ClockId::ProcessCPUTime)
}

fn read(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanos = u32::try_from(time.tv_nsec).unwrap_or(0);
    Duration::new(seconds, nanos)
}

/// A future whose every step is charged to an account.
pub struct Metered<F> {
    future: Pin<Box<F>>,
    account: Arc<Account>,
    work: Work,
}

impl<F: Future> Metered<F> {
    /// Charges what this future uses.
    pub fn new(account: Arc<Account>, work: Work, future: F) -> Self {
        Self {
            future: Box::pin(future),
            account,
            work,
        }
    }
}

impl<F: Future> Future for Metered<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let Self {
            future,
            account,
            work,
        } = self.get_mut();
        account.measure(*work, || future.as_mut().poll(context))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn steps_of_a_future_are_charged_and_its_waiting_is_not() {
        let account = Arc::new(Account::new());
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let burns = async {
            let began = thread_cpu();
            while thread_cpu().saturating_sub(began) < Duration::from_millis(3) {}
            receiver.await
        };
        let metered = Metered::new(account.clone(), Work::Receiving, burns);
        let other = async {
            let began = thread_cpu();
            while thread_cpu().saturating_sub(began) < Duration::from_millis(20) {}
            sender.send(7)
        };
        let (got, sent) = tokio::join!(metered, other);
        assert_eq!((got, sent), (Ok(7), Ok(())));
        let used = account.cpu_of(Work::Receiving);
        assert!(used >= Duration::from_millis(3) && used < Duration::from_millis(20));
    }
}
