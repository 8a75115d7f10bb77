use std::sync::Barrier;

use super::*;

fn pool(cores: usize) -> Arc<Pool> {
    Pool::new(NonZeroUsize::new(cores).unwrap()).unwrap()
}

#[test]
fn results_come_back_in_the_order_of_the_tasks() {
    let pool = pool(2);
    let tenant = pool.tenant(NonZeroU32::MIN);
    let tasks: Vec<_> = (0..100).map(|n| move |_: &Arc<Permit>| n * n).collect();
    let expected: Vec<_> = (0..100).map(|n| Some(n * n)).collect();
    assert_eq!(tenant.run(tasks), expected);
    assert_eq!(tenant.run(Vec::<fn(&Arc<Permit>) -> u8>::new()), []);
}

#[test]
fn two_cores_run_two_tasks_at_once() {
    let pool = pool(2);
    let tenant = pool.tenant(NonZeroU32::MIN);
    let both = Arc::new(Barrier::new(2));
    let meet = |barrier: Arc<Barrier>| {
        move |_: &Arc<Permit>| {
            barrier.wait();
        }
    };
    // Each waits for the other: one after the other they would never end.
    let done = tenant.run(vec![meet(both.clone()), meet(both)]);
    assert_eq!(done, [Some(()), Some(())]);
}

#[test]
fn a_panic_costs_only_its_own_task() {
    let tenant = pool(1).tenant(NonZeroU32::MIN);
    let task = |fails: bool| {
        move |_: &Arc<Permit>| {
            assert!(!fails, "this task panics on purpose");
            1
        }
    };
    assert_eq!(
        tenant.run(vec![task(false), task(true), task(false)]),
        [Some(1), None, Some(1)]
    );
    assert_eq!(tenant.run(vec![task(false)]), [Some(1)]);
}

#[test]
fn an_aborted_tenant_is_told_at_the_next_tick() {
    let pool = pool(1);
    let tenant = pool.tenant(NonZeroU32::MIN);
    let ticks = |permit: &Arc<Permit>| permit.tick();
    assert_eq!(tenant.run(vec![ticks]), [Some(Tick::Continue)]);
    tenant.abort();
    assert_eq!(tenant.run(vec![ticks]), [Some(Tick::Abort)]);
    let other = pool.tenant(NonZeroU32::MIN);
    assert_eq!(other.run(vec![ticks]), [Some(Tick::Continue)]);
    assert_eq!(tenant.fellow().run(vec![ticks]), [Some(Tick::Continue)]);
}

#[test]
fn what_is_done_waits_for_no_thread() {
    let pool = pool(1);
    let (holding, held) = std::sync::mpsc::channel();
    let (release, free) = std::sync::mpsc::channel::<()>();
    let free = Arc::new(Mutex::new(free));
    // All threads of the pool are at tasks that do not end.
    let stuck: Vec<_> = (0..4)
        .map(|_| {
            let (tenant, holding) = (pool.tenant(NonZeroU32::MIN), holding.clone());
            let free = free.clone();
            let task = move |permit: &Arc<Permit>| {
                permit.give_back();
                holding.send(()).unwrap();
                let _ = lock(&free).recv();
            };
            std::thread::spawn(move || tenant.run(vec![task.clone(), task]))
        })
        .collect();
    for _ in 0..7 {
        held.recv().unwrap();
    }
    let tenant = pool.tenant(NonZeroU32::MIN);
    let one = |_: &Arc<Permit>| 1;
    assert_eq!(tenant.run(vec![one, one, one]), [Some(1); 3]);
    let waiting = |set: &Arc<dyn TaskSet>| Arc::strong_count(set);
    let left: Vec<usize> = lock(&pool.shared.queue).sets.iter().map(waiting).collect();
    assert!(left.len() <= 1, "only that of the fourth is left: {left:?}");
    drop(release);
    for thread in stuck {
        assert_eq!(thread.join().unwrap(), [Some(()), Some(())]);
    }
}

#[test]
fn what_receivers_use_counts_against_the_share() {
    let pool = pool(1);
    let (greedy, other) = (pool.tenant(NonZeroU32::MIN), pool.tenant(NonZeroU32::MIN));
    let waits = {
        let shared = pool.shared.clone();
        move || !lock(&shared.fair).waiting.is_empty()
    };
    let greedy_ended = Arc::new(AtomicBool::new(false));
    let (begin, begun) = std::sync::mpsc::channel();
    let ended = greedy_ended.clone();
    let greedy = std::thread::spawn(move || {
        let account = greedy.account().clone();
        greedy.run(vec![move |permit: &Arc<Permit>| {
            begin.send(()).unwrap();
            while !waits() {
                std::thread::yield_now();
            }
            account.charge(Work::Receiving, Duration::from_mins(1));
            // The core goes to the other one here.
            permit.tick();
            ended.store(true, Ordering::SeqCst);
        }])
    });
    begun.recv().unwrap();
    let seen = greedy_ended.clone();
    let seen = other.run(vec![move |permit: &Arc<Permit>| {
        while permit.used() < Duration::from_millis(20) {}
        permit.tick();
        seen.load(Ordering::SeqCst)
    }]);
    assert_eq!(seen, [Some(false)], "it has used 20 ms, the other a minute");
    assert_eq!(greedy.join().unwrap(), [Some(())]);
    assert!(greedy_ended.load(Ordering::SeqCst));
}
