//! Which batch comes when: a pure state machine from [`Event`]s to [`Command`]s.
//!
//! **Always:** batches are claimed at rising times, run one at a time in that order, and no tick of
//! the grid is skipped (spec 2.3).

use std::collections::VecDeque;

use super::{Command, Event, Outcome};
use crate::{
    model::{BatchInterval, BatchTime},
    topology::OnFailedBatch,
};

/// What makes time pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The wall clock: a batch closes every interval.
    Live,
    /// The data: the next tick comes when a batch ends. For sources that end.
    Virtual,
}

/// The batches of one topology.
#[derive(Debug)]
pub struct Scheduler {
    interval: BatchInterval,
    mode: Mode,
    policy: OnFailedBatch,
    next: Option<BatchTime>,
    running: Option<BatchTime>,
    waiting: VecDeque<BatchTime>,
    stop: Stop,
    finished: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stop {
    No,
    /// Receivers are stopping; ticks go on so that what they stored is claimed.
    Receivers,
    /// So many ticks still fire (spec 1.7: the one waited for, and one more).
    After(u8),
}

impl Scheduler {
    /// A topology that has not started.
    pub fn new(interval: BatchInterval, mode: Mode, policy: OnFailedBatch) -> Self {
        Self {
            interval,
            mode,
            policy,
            next: None,
            running: None,
            waiting: VecDeque::new(),
            stop: Stop::No,
            finished: false,
        }
    }

    /// Reacts to one event. After [`Command::Finish`] nothing more comes.
    pub fn handle(&mut self, event: Event) -> Vec<Command> {
        if self.finished {
            return Vec::new();
        }
        match (event, self.mode) {
            (Event::Started(now), Mode::Live) => {
                let first = self.interval.first_after(now);
                self.next = Some(first);
                vec![Command::WaitUntil(first)]
            }
            (Event::Started(now), Mode::Virtual) => {
                let first = self.interval.first_after(now);
                self.next = Some(first);
                self.claim_next()
            }
            (Event::Resumed { last: None, now }, _) => self.handle(Event::Started(now)),
            // Every tick that was missed comes, one after the other.
            (
                Event::Resumed {
                    last: Some(last), ..
                },
                mode,
            ) => {
                let next = self.interval.next(last);
                self.next = Some(next);
                match mode {
                    Mode::Live => vec![Command::WaitUntil(next)],
                    Mode::Virtual => self.claim_next(),
                }
            }
            (Event::Tick(time), Mode::Live) if self.next.is_some_and(|next| next <= time) => {
                self.tick()
            }
            (
                Event::BatchEnded {
                    time,
                    failed,
                    exhausted,
                },
                _,
            ) => self.batch_ended(time, failed, exhausted),
            (Event::StopAsked, Mode::Live) if self.stop == Stop::No => {
                self.stop = Stop::Receivers;
                vec![Command::StopReceivers]
            }
            (Event::StopAsked, Mode::Virtual) if self.stop == Stop::No => {
                self.stop = Stop::After(0);
                self.finish_if_idle()
            }
            (Event::Tick(_) | Event::StopAsked, _) => Vec::new(),
            (Event::ReceiversStopped, _) => {
                self.stop = Stop::After(2);
                Vec::new()
            }
        }
    }

    fn tick(&mut self) -> Vec<Command> {
        let mut commands = self.claim_next();
        match &mut self.stop {
            Stop::After(1) => {
                self.stop = Stop::After(0);
                self.next = None;
            }
            Stop::After(left @ 2..) => *left -= 1,
            _ => {}
        }
        commands.extend(self.next.map(Command::WaitUntil));
        commands
    }

    /// Claims the batch at the next tick and runs it, now or after those before it.
    fn claim_next(&mut self) -> Vec<Command> {
        let Some(time) = self.next else {
            return Vec::new();
        };
        self.next = Some(self.interval.next(time));
        let mut commands = vec![Command::Claim(time)];
        if self.running.is_none() {
            self.running = Some(time);
            commands.push(Command::Run(time));
        } else {
            self.waiting.push_back(time);
        }
        commands
    }

    fn batch_ended(&mut self, time: BatchTime, failed: bool, exhausted: bool) -> Vec<Command> {
        if self.running == Some(time) {
            self.running = None;
        }
        if failed && self.policy == OnFailedBatch::Stop {
            return self.finish(Outcome::BatchFailed(time));
        }
        if let Some(next) = self.waiting.pop_front() {
            self.running = Some(next);
            return vec![Command::Run(next)];
        }
        match (self.mode, self.stop) {
            (_, Stop::After(0)) => self.finish(Outcome::Stopped),
            (Mode::Virtual, _) if exhausted => self.finish(Outcome::Exhausted),
            (Mode::Virtual, _) => self.claim_next(),
            (Mode::Live, _) => Vec::new(),
        }
    }

    fn finish_if_idle(&mut self) -> Vec<Command> {
        match self.running {
            None => self.finish(Outcome::Stopped),
            Some(_) => Vec::new(),
        }
    }

    fn finish(&mut self, outcome: Outcome) -> Vec<Command> {
        self.finished = true;
        vec![Command::Finish(outcome)]
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use Command::{Claim, Finish, Run, StopReceivers, WaitUntil};
    use Event::{BatchEnded, ReceiversStopped, Started, StopAsked, Tick};

    use super::*;

    fn t(seconds: i64) -> BatchTime {
        BatchTime::from_millis(seconds * 1_000)
    }

    fn ended(seconds: i64) -> Event {
        BatchEnded {
            time: t(seconds),
            failed: false,
            exhausted: false,
        }
    }

    fn check(mode: Mode, policy: OnFailedBatch, script: &[(Event, &[Command])]) {
        let interval = BatchInterval::new(Duration::from_secs(1)).unwrap();
        let mut scheduler = Scheduler::new(interval, mode, policy);
        for (step, (event, expected)) in script.iter().enumerate() {
            let commands = scheduler.handle(*event);
            assert_eq!(commands, *expected, "step {step}: {event:?}");
        }
    }

    #[test]
    fn batches_are_claimed_at_the_tick_and_run_in_order() {
        // spec 2.1, 2.3, 4.4
        check(
            Mode::Live,
            OnFailedBatch::Continue,
            &[
                (Started(BatchTime::from_millis(1_500)), &[WaitUntil(t(2))]),
                (Tick(t(2)), &[Claim(t(2)), Run(t(2)), WaitUntil(t(3))]),
                // The first is slow: later ones are claimed on time and wait.
                (Tick(t(3)), &[Claim(t(3)), WaitUntil(t(4))]),
                (Tick(t(4)), &[Claim(t(4)), WaitUntil(t(5))]),
                (ended(2), &[Run(t(3))]),
                (ended(3), &[Run(t(4))]),
                (ended(4), &[]),
                (Tick(t(5)), &[Claim(t(5)), Run(t(5)), WaitUntil(t(6))]),
            ],
        );
    }

    #[test]
    fn a_late_tick_fires_every_missed_one() {
        // spec 2.3: the clock jumped from 2 s to 5 s.
        check(
            Mode::Live,
            OnFailedBatch::Continue,
            &[
                (Started(t(1)), &[WaitUntil(t(2))]),
                (Tick(t(5)), &[Claim(t(2)), Run(t(2)), WaitUntil(t(3))]),
                (Tick(t(5)), &[Claim(t(3)), WaitUntil(t(4))]),
                (Tick(t(5)), &[Claim(t(4)), WaitUntil(t(5))]),
                (Tick(t(5)), &[Claim(t(5)), WaitUntil(t(6))]),
            ],
        );
    }

    #[test]
    fn a_graceful_stop_lets_the_pending_tick_and_one_more_fire() {
        // spec 1.7
        check(
            Mode::Live,
            OnFailedBatch::Continue,
            &[
                (Started(t(1)), &[WaitUntil(t(2))]),
                (StopAsked, &[StopReceivers]),
                (StopAsked, &[]),
                (Tick(t(2)), &[Claim(t(2)), Run(t(2)), WaitUntil(t(3))]),
                (ReceiversStopped, &[]),
                (ended(2), &[]),
                (Tick(t(3)), &[Claim(t(3)), Run(t(3)), WaitUntil(t(4))]),
                (ended(3), &[]),
                (Tick(t(4)), &[Claim(t(4)), Run(t(4))]),
                (ended(4), &[Finish(Outcome::Stopped)]),
            ],
        );
    }

    #[test]
    fn virtual_time_passes_when_a_batch_ends() {
        let last = BatchEnded {
            time: t(2),
            failed: false,
            exhausted: true,
        };
        check(
            Mode::Virtual,
            OnFailedBatch::Stop,
            &[
                (Started(t(0)), &[Claim(t(1)), Run(t(1))]),
                (ended(1), &[Claim(t(2)), Run(t(2))]),
                (last, &[Finish(Outcome::Exhausted)]),
                (last, &[]),
            ],
        );
    }

    #[test]
    fn a_failed_batch_stops_the_run_or_does_not() {
        let failed = BatchEnded {
            time: t(1),
            failed: true,
            exhausted: false,
        };
        check(
            Mode::Virtual,
            OnFailedBatch::Stop,
            &[
                (Started(t(0)), &[Claim(t(1)), Run(t(1))]),
                (failed, &[Finish(Outcome::BatchFailed(t(1)))]),
            ],
        );
        check(
            Mode::Virtual,
            OnFailedBatch::Continue,
            &[
                (Started(t(0)), &[Claim(t(1)), Run(t(1))]),
                (failed, &[Claim(t(2)), Run(t(2))]),
                (StopAsked, &[]),
                (ended(2), &[Finish(Outcome::Stopped)]),
            ],
        );
    }
}
