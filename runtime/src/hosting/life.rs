//! One topology's life, on a task of its own: whatever ends it, ends nothing else.

use std::{future::Future, io::Write, path::Path, sync::Arc};

use tokio::{runtime::Handle, task::spawn_blocking};
use tracing::Instrument as _;

use super::{
    Desired, HostingError, Phase, Quota, Record, Shared, VersionOutcome, VersionRecord,
    batch_lines::tell, hosted::Hosted, in_flight::InFlight, loading, supplied::Uploaded,
    tail::Tail, walls::WORK,
};
use crate::{
    account::{Metered, Work},
    checkpoint::Inside,
    launch::{self, Launched, Loaded, Options, Outputs, Purpose, State},
    model::{BatchTime, Location},
    scheduler::{Outcome, Tenant},
    stream::{BatchReport, Listener, Stop, Summary, VersionEvent},
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
    let opening = Opening {
        shared: shared.clone(),
        hosted: hosted.clone(),
        tenant,
        quota,
        stop: stop.clone(),
    };
    let opening = Arc::new(opening);
    let mark = shared.registry.in_flight(&hosted.record());
    let mut listener = Watcher {
        shared: shared.clone(),
        hosted: hosted.clone(),
        mark,
    };
    loop {
        let there = opening.clone();
        let (mut launched, purpose) = opening.blocking(move || there.next()).await?;
        if purpose == Purpose::Run {
            let handles = (launched.taps(), launched.swapper());
            hosted.runs(handles, launched.checkpoint());
        }
        let (summary, _) = launched.run(&mut listener).await;
        // An earlier version has made its batches again, or is to go on instead of the one that ran.
        let goes_on = match purpose {
            Purpose::Run => summary.went_back,
            Purpose::Recover => summary.outcome == Outcome::Stopped,
        };
        if !goes_on || stop.is_asked() {
            return Ok(end(&summary, &stop));
        }
    }
}

/// What a life begins with.
struct Opening {
    shared: Arc<Shared>,
    hosted: Arc<Hosted>,
    tenant: Tenant,
    quota: Quota,
    stop: Stop,
}

impl Opening {
    /// Does something that blocks, on the topology's account.
    async fn blocking<T: Send + 'static>(
        &self,
        act: impl FnOnce() -> Result<T, HostingError> + Send + 'static,
    ) -> Result<T, HostingError> {
        let (span, account) = (tracing::Span::current(), self.hosted.account.clone());
        let act = move || span.in_scope(|| account.measure(Work::Opening, act));
        match spawn_blocking(act).await {
            Ok(done) => done,
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        }
    }

    /// Loads what is to run next and opens what it needs: an earlier version that has batches to make
    /// again, or the one that is live.
    fn next(&self) -> Result<(Launched, Purpose), HostingError> {
        let record = self.hosted.record();
        let work = self.shared.registry.make_work(&record)?;
        let loaded = self.load_live(&record, &work)?;
        let clock = self.shared.launcher.clock.as_ref();
        let place = launch::place(&loaded.topology, Path::new(WORK), false, clock)?;
        settle(&self.hosted, place.as_ref())?;
        let settled = self.hosted.record();
        if settled != record {
            self.shared.registry.write_latest(|| self.hosted.record())?;
        }
        let loaded = match settled.live.number == record.live.number {
            true => loaded,
            false => self.load_live(&settled, &work)?,
        };
        let record = settled;
        self.quota.instances(&record.namespace, &loaded.topology)?;
        self.hosted.keeps(place.clone());
        if let Some(place) = &place
            && let Some(kept) = launch::pending(place, &loaded.files)?
        {
            let uploaded = Uploaded(kept.plugins);
            let earlier = self.load((&record, &work), &kept.text, &uploaded)?;
            return Ok((
                self.launch(earlier, Some(place), Purpose::Recover)?,
                Purpose::Recover,
            ));
        }
        let launched = self.launch(loaded, place.as_ref(), Purpose::Run)?;
        Ok((launched, Purpose::Run))
    }

    fn load_live(&self, record: &Record, work: &Path) -> Result<Loaded, HostingError> {
        let registry = &self.shared.registry;
        let uploaded = registry.uploaded(&record.namespace, &record.live.plugins)?;
        self.load((record, work), &record.live.text, &uploaded)
    }

    fn load(
        &self,
        (record, work): (&Record, &Path),
        text: &str,
        uploaded: &Uploaded,
    ) -> Result<Loaded, HostingError> {
        let manifest = Manifest::parse(&record.live.file, text);
        let manifest = manifest.map_err(|invalid| HostingError::Launch(invalid.into()))?;
        let (of, how) = ((manifest, uploaded), (work, State::Kept));
        loading::load(&self.shared, &record.namespace, of, how)
    }

    fn launch(
        &self,
        loaded: Loaded,
        place: Option<&Location>,
        purpose: Purpose,
    ) -> Result<Launched, HostingError> {
        let options = Options {
            fusion: true,
            batches: None,
        };
        let launched = self.shared.launcher.launch(
            loaded,
            place,
            (purpose, options),
            (self.tenant.clone(), self.stop.clone()),
            &self.hosted.tail,
        )?;
        self.hosted.account.holds_state(launched.state_bytes())?;
        Ok(launched)
    }
}

/// Finds out which version the checkpoint goes on with, if the server ended before that was known.
fn settle(hosted: &Hosted, place: Option<&Location>) -> Result<(), HostingError> {
    let record = hosted.record();
    if record.waiting.is_none() && !record.on_trial {
        return Ok(());
    }
    let inside = place.map(Inside::read).transpose()?;
    let last = inside.as_ref().and_then(|inside| inside.versions.last());
    let has_taken = |version: &VersionRecord| last.is_some_and(|last| version.is(&last.program));
    match &record.waiting {
        Some(waiting) if has_taken(waiting) && !has_taken(&record.live) => {
            hosted.taken_over(BatchTime::from_millis(last.map_or(0, |last| last.from)));
            return Ok(());
        }
        Some(_) => hosted.not_taken("the server ended before it took over".to_owned()),
        None => {}
    }
    let before =
        |version: &VersionRecord| version.outcome == VersionOutcome::Replaced && has_taken(version);
    if !has_taken(&record.live) && record.before.iter().any(before) {
        let went_back = "its stream went back to the version before; the log says why";
        hosted.gone_back(went_back.to_owned());
    }
    Ok(())
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
    shared: Arc<Shared>,
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

    fn version(&mut self, event: &VersionEvent) {
        match event {
            VersionEvent::TookOver { first, .. } => self.hosted.taken_over(*first),
            VersionEvent::RolledBack { at, why, .. } => {
                self.hosted.gone_back(format!("at batch {at}: {why}"));
            }
            VersionEvent::Settled { .. } => {
                self.hosted.change(|record| record.on_trial = false);
            }
        }
        // Batches do not wait for it: after a crash the checkpoint is asked.
        let (shared, hosted) = (self.shared.clone(), self.hosted.clone());
        spawn_blocking(move || {
            if let Err(error) = shared.registry.write_latest(|| hosted.record()) {
                tracing::error!(parent: None, "cannot note what became of a version: {error}");
            }
        });
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
