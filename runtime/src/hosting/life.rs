//! One topology's life, on a task of its own: whatever ends it, ends nothing else.

use std::{future::Future, io::Write, path::Path, sync::Arc};

use tokio::{runtime::Handle, task::spawn_blocking};
use tracing::Instrument as _;

use super::{
    Desired, HostingError, Phase, Quota, Shared, batch_lines::tell, hosted::Hosted,
    in_flight::InFlight, loading, tail::Tail, walls::WORK,
};
use crate::{
    account::{Metered, Work},
    launch::{self, Launched, Options, Outputs, Purpose, State},
    model::BatchTime,
    scheduler::{Outcome, Tenant},
    stream::{BatchReport, Listener, Stop, Summary},
    topology::Manifest,
};

/// How a life ended.
#[derive(Debug, Clone, PartialEq, Eq)]
struct End {
    phase: Phase,
    why: Option<String>,
}

/// Runs a topology, if it is to run and does not yet.
pub(super) fn start(shared: &Arc<Shared>, hosted: &Arc<Hosted>, (tenant, quota): (Tenant, Quota)) {
    let Some(stop) = hosted.begin() else {
        return;
    };
    let record = hosted.record();
    let span = tracing::info_span!("topology", namespace = %record.namespace, name = %record.name);
    hosted.log.attach(&span);
    let life = live(shared.clone(), hosted.clone(), (tenant, quota), stop);
    let life = Metered::new(hosted.account.clone(), Work::Batches, life);
    let life = life.instrument(span.clone());
    let (shared, hosted) = (shared.clone(), hosted.clone());
    let runtime = shared.launcher.runtime.clone();
    let supervised = async move {
        let end = supervised(life).await;
        if end.phase == Phase::Finished {
            let finished = hosted.change(|record| record.desired = Desired::Finished);
            if let Err(error) = shared.registry.write(&finished) {
                let name = &finished.name;
                tracing::error!(parent: None, "cannot note that {name} has finished: {error}");
            }
        }
        shared.registry.in_flight(&record).take();
        // What lies on the disk is counted again when it runs; less is never refused.
        let _ = hosted.account.holds_state(0);
        if let Some(why) = &end.why {
            tracing::error!("it has failed: {why}");
        }
        hosted.over(end.phase, end.why);
    };
    runtime.spawn(supervised.instrument(span));
}

/// The end of a life, which may be a panic.
async fn supervised(life: impl Future<Output = Result<End, HostingError>> + Send + 'static) -> End {
    let failed = |why| End {
        phase: Phase::Failed,
        why: Some(why),
    };
    match Handle::current().spawn(life).await {
        Ok(Ok(end)) => end,
        // What is wrong with the server is told to who runs it.
        Ok(Err(error)) if error.is_of_server() => {
            // Outside of the topology's span: its tenant sees what is logged in that.
            tracing::error!(parent: None, "a topology does not start: {error}");
            failed("the server could not start it; its log says why".to_owned())
        }
        Ok(Err(error)) => failed(error.to_string()),
        Err(_) => failed("a task of it panicked, which is a bug of rsrt; see the log".to_owned()),
    }
}

async fn live(
    shared: Arc<Shared>,
    hosted: Arc<Hosted>,
    (tenant, quota): (Tenant, Quota),
    stop: Stop,
) -> Result<End, HostingError> {
    let record = hosted.record();
    let mark = shared.registry.in_flight(&record);
    let (shared_there, hosted_there, stop_there) = (shared.clone(), hosted.clone(), stop.clone());
    let span = tracing::Span::current();
    let open = move || {
        let account = hosted_there.account.clone();
        account.measure(Work::Opening, || {
            open(&shared_there, &hosted_there, (tenant, quota), stop_there)
        })
    };
    let opened = spawn_blocking(move || span.in_scope(open)).await;
    let launched = match opened {
        Ok(opened) => opened?,
        Err(panic) => std::panic::resume_unwind(panic.into_panic()),
    };
    hosted.runs(launched.taps(), launched.checkpoint());
    let mut listener = Watcher { hosted, mark };
    let (summary, _) = launched.run(&mut listener).await;
    Ok(end(&summary, &stop))
}

/// Loads a topology from the registry and opens what it needs.
fn open(
    shared: &Shared,
    hosted: &Hosted,
    (tenant, quota): (Tenant, Quota),
    stop: Stop,
) -> Result<Launched, HostingError> {
    let record = hosted.record();
    let work = shared.registry.make_work(&record)?;
    let manifest = Manifest::parse(&record.file, &record.text)
        .map_err(|invalid| HostingError::Launch(invalid.into()))?;
    let uploaded = shared.registry.uploaded(&record)?;
    let loaded = loading::load(
        shared,
        &record.namespace,
        (manifest, &uploaded),
        (&work, State::Kept),
    )?;
    quota.instances(&record.namespace, &loaded.topology)?;
    let clock = shared.launcher.clock.as_ref();
    let place = launch::place(&loaded.topology, Path::new(WORK), false, clock)?;
    hosted.keeps(place.clone());
    let options = Options {
        fusion: true,
        batches: None,
    };
    let launched = shared.launcher.launch(
        loaded,
        place.as_ref(),
        (Purpose::Run, options),
        (tenant, stop),
        &hosted.tail,
    )?;
    hosted.account.holds_state(launched.state_bytes())?;
    Ok(launched)
}

impl Outputs for Tail {
    fn output(&self) -> Box<dyn Write + Send> {
        Box::new(self.clone())
    }
}

fn end(summary: &Summary, stop: &Stop) -> End {
    let error = summary.last_error.as_ref().map(ToString::to_string);
    let (phase, why) = match summary.outcome {
        Outcome::Stopped if stop.is_aborted() => (Phase::Stopped, None),
        Outcome::BatchFailed(_) => (Phase::Failed, error),
        Outcome::Stopped if stop.is_asked() => (Phase::Stopped, None),
        Outcome::Stopped => (
            Phase::Failed,
            error.or_else(|| Some("its batch loop ended by itself; see the log".to_owned())),
        ),
        Outcome::Exhausted if summary.failed > 0 => (Phase::Failed, error),
        Outcome::Exhausted => (Phase::Finished, None),
    };
    End { phase, why }
}

/// Notes what batches do.
struct Watcher {
    hosted: Arc<Hosted>,
    mark: InFlight,
}

impl Listener for Watcher {
    fn batch_began(&mut self, _time: BatchTime) {
        self.mark.set();
    }

    fn batch_ended(&mut self, batch: &BatchReport) {
        self.mark.clear();
        tell(batch);
        self.hosted.batch_ended(batch);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_the_end_of_one_life_and_is_told() {
        let end = supervised(async { panic!("on purpose") }).await;
        assert_eq!(end.phase, Phase::Failed);
        assert!(end.why.unwrap().contains("panicked"));
        let fine = End {
            phase: Phase::Finished,
            why: None,
        };
        let life = fine.clone();
        assert_eq!(supervised(async move { Ok(life) }).await, fine);
    }
}
