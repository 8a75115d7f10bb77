//! One pool of threads for all topologies, and the permits of the cores they run on.
//!
//! There are more threads than cores, because a guest cannot be suspended: it keeps its thread, and
//! gives its core away. Whoever runs holds one of N permits; every few milliseconds a running guest
//! asks whether the core is due to someone else, and if so hands it over and waits for another.

use std::{
    collections::{BTreeMap, VecDeque},
    io,
    num::{NonZeroU32, NonZeroUsize},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use super::{Fair, FellowId, TenantId, Ticket};
use crate::{
    account::{Account, Work, thread_cpu},
    plugin::{Preempt, Tick},
};

/// Threads for each core: enough that cores stay busy while tenants wait for their turn.
const THREADS_PER_CORE: usize = 4;

/// Guests recurse up to the engine's limit on the host's stack; the host's own frames come on top.
const STACK: usize = 4 << 20;

/// The pool. Dropping it ends its threads after the tasks they are at; tenants that are left run
/// their tasks on their own thread alone.
pub struct Pool {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
}

struct Shared {
    cores: NonZeroUsize,
    fair: Mutex<Cores>,
    queue: Mutex<Queue>,
    work: Condvar,
    next_id: AtomicU64,
}

struct Cores {
    fair: Fair,
    waiting: BTreeMap<Ticket, Arc<Condvar>>,
    granted: Vec<Ticket>,
}

#[derive(Default)]
struct Queue {
    sets: VecDeque<Arc<dyn TaskSet>>,
    closed: bool,
}

/// Tasks that belong together; any thread may take the next one.
trait TaskSet: Send + Sync {
    /// Runs one task, and answers with the CPU time it used; none if none is left.
    fn run_one(&self) -> Option<Duration>;
}

impl Pool {
    /// A pool for so many cores.
    ///
    /// # Errors
    /// When the system gives no threads.
    pub fn new(cores: NonZeroUsize) -> Result<Arc<Self>, io::Error> {
        let shared = Arc::new(Shared {
            cores,
            fair: Mutex::new(Cores {
                fair: Fair::new(cores.get()),
                waiting: BTreeMap::new(),
                granted: Vec::new(),
            }),
            queue: Mutex::default(),
            work: Condvar::new(),
            next_id: AtomicU64::new(0),
        });
        // Whoever asks for tasks works at them too, so one core needs no thread of the pool's own.
        let threads = cores.get() * THREADS_PER_CORE - 1;
        let workers = (0..threads).map(|number| {
            let shared = shared.clone();
            std::thread::Builder::new()
                .name(format!("pool-{number}"))
                .stack_size(STACK)
                .spawn(move || shared.work())
        });
        Ok(Arc::new(Self {
            workers: workers.collect::<Result<_, _>>()?,
            shared,
        }))
    }

    /// How many cores its tasks may use.
    pub fn cores(&self) -> NonZeroUsize {
        self.shared.cores
    }

    /// A tenant with this share of the cores.
    pub fn tenant(&self, weight: NonZeroU32) -> Tenant {
        let tenant = TenantId(self.shared.next_id());
        Tenant::new(&self.shared, tenant, weight)
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        lock(&self.shared.queue).closed = true;
        self.shared.work.notify_all();
        for worker in self.workers.drain(..) {
            let _ = worker.join(); // tasks catch their own panics
        }
    }
}

impl Shared {
    fn next_id(&self) -> u64 {
        self.next_id.fetch_add(1, Ordering::Relaxed)
    }

    fn work(&self) {
        let mut queue = lock(&self.queue);
        loop {
            match queue.sets.pop_front() {
                Some(set) => {
                    drop(queue);
                    while set.run_one().is_some() {}
                    queue = lock(&self.queue);
                }
                None if queue.closed => return,
                None => {
                    queue = self
                        .work
                        .wait(queue)
                        .unwrap_or_else(PoisonError::into_inner);
                }
            }
        }
    }
}

/// One tenant's way to the pool. Clones are the same tenant, which leaves with the last of them.
/// [Fellows](Self::fellow) share what it has, and take turns.
#[derive(Clone)]
pub struct Tenant {
    member: Arc<Membership>,
    aborted: Arc<AtomicBool>,
    account: Arc<Account>,
}

struct Membership {
    pool: Arc<Shared>,
    id: FellowId,
    weight: NonZeroU32,
}

impl Drop for Membership {
    fn drop(&mut self) {
        lock(&self.pool.fair).fair.leave(self.id);
    }
}

impl Tenant {
    fn new(pool: &Arc<Shared>, tenant: TenantId, weight: NonZeroU32) -> Self {
        let number = pool.next_id();
        let id = FellowId { tenant, number };
        lock(&pool.fair).fair.join(id, weight);
        let member = Membership {
            pool: pool.clone(),
            id,
            weight,
        };
        Self {
            member: Arc::new(member),
            aborted: Arc::default(),
            account: Arc::default(),
        }
    }

    /// Runs tasks, on this thread and the pool's, and gives back what they return, in their order.
    /// A task that panics yields none.
    pub fn run<T, F>(&self, tasks: Vec<F>) -> Vec<Option<T>>
    where
        T: Send + 'static,
        F: FnOnce(&Arc<Permit>) -> T + Send + 'static,
    {
        let count = tasks.len();
        let set = Arc::new(Set {
            tenant: self.clone(),
            todo: Mutex::new(tasks.into_iter().enumerate().collect()),
            done: Mutex::new(Done {
                results: (0..count).map(|_| None).collect(),
                left: count,
            }),
            all_done: Condvar::new(),
        });
        if count > 1 {
            let others = (count - 1).min(self.member.pool.cores.get());
            let mut queue = lock(&self.member.pool.queue);
            for _ in 0..others {
                queue.sets.push_back(set.clone());
            }
            drop(queue);
            for _ in 0..others {
                self.member.pool.work.notify_one();
            }
        }
        while let Some(used) = set.run_one() {
            self.account.ran_here(used);
        }
        let mut done = lock(&set.done);
        while done.left > 0 {
            done = set
                .all_done
                .wait(done)
                .unwrap_or_else(PoisonError::into_inner);
        }
        let results = std::mem::take(&mut done.results);
        drop(done);
        if count > 1 {
            // Threads that are all held by others would find it there much later.
            let own = Arc::as_ptr(&set).cast::<()>();
            let is_other = |set: &Arc<dyn TaskSet>| Arc::as_ptr(set).cast::<()>() != own;
            lock(&self.member.pool.queue).sets.retain(is_other);
        }
        results
    }

    /// Someone who shares this tenant's cores: they take turns at them, and each is aborted by
    /// itself.
    #[must_use]
    pub fn fellow(&self) -> Self {
        let Membership { pool, id, weight } = &*self.member;
        Self::new(pool, id.tenant, *weight)
    }

    /// The same, whose tasks are charged to this account.
    #[must_use]
    pub fn with_account(self, account: Arc<Account>) -> Self {
        Self { account, ..self }
    }

    /// What its tasks are charged to.
    pub fn account(&self) -> &Arc<Account> {
        &self.account
    }

    /// Makes running guests of this tenant stop soon, with
    /// [`PluginFault::Aborted`](crate::plugin::PluginFault::Aborted).
    pub fn abort(&self) {
        self.aborted.store(true, Ordering::Relaxed);
    }

    /// [`abort`](Self::abort) was called.
    pub fn is_aborted(&self) -> bool {
        self.aborted.load(Ordering::Relaxed)
    }
}

struct Set<T, F> {
    tenant: Tenant,
    todo: Mutex<VecDeque<(usize, F)>>,
    done: Mutex<Done<T>>,
    all_done: Condvar,
}

struct Done<T> {
    results: Vec<Option<T>>,
    left: usize,
}

impl<T, F> TaskSet for Set<T, F>
where
    T: Send + 'static,
    F: FnOnce(&Arc<Permit>) -> T + Send + 'static,
{
    fn run_one(&self) -> Option<Duration> {
        let (number, task) = lock(&self.todo).pop_front()?;
        let permit = Arc::new(Permit::acquire(self.tenant.clone()));
        let work = std::panic::AssertUnwindSafe(|| task(&permit));
        let result = std::panic::catch_unwind(work).ok();
        let used = permit.give_back();
        let mut done = lock(&self.done);
        done.results[number] = result;
        done.left -= 1;
        if done.left == 0 {
            self.all_done.notify_all();
        }
        Some(used)
    }
}

/// The right to use a core.
pub struct Permit {
    tenant: Tenant,
    state: Mutex<Held>,
}

struct Held {
    holds: bool,
    /// The thread's CPU time when it last paid.
    paid_at: Duration,
    used: Duration,
}

impl Permit {
    fn acquire(tenant: Tenant) -> Self {
        // To wait costs something, too.
        let paid_at = thread_cpu();
        wait_for_core(&tenant);
        Self {
            tenant,
            state: Mutex::new(Held {
                holds: true,
                paid_at,
                used: Duration::ZERO,
            }),
        }
    }

    /// CPU time that the task has used; to be asked on its own thread.
    pub fn used(&self) -> Duration {
        self.pay(&mut lock(&self.state));
        lock(&self.state).used
    }

    /// What the task is charged to.
    pub fn account(&self) -> &Arc<Account> {
        &self.tenant.account
    }

    fn pay(&self, held: &mut Held) {
        let now = thread_cpu();
        let used = now.saturating_sub(held.paid_at);
        held.paid_at = now;
        held.used += used;
        let account = &self.tenant.account;
        account.charge(Work::Tasks, used);
        // Receivers and sinks take no turns, but who uses the cores there has less of them here.
        let used = used + account.take_owed();
        lock(&self.tenant.member.pool.fair)
            .fair
            .pay(self.tenant.member.id, used);
    }

    /// Answers with the CPU time that the task has used.
    fn give_back(&self) -> Duration {
        let mut held = lock(&self.state);
        if held.holds {
            self.pay(&mut held);
            held.holds = false;
            release(&self.tenant);
        }
        held.used
    }
}

impl Preempt for Permit {
    fn tick(&self) -> Tick {
        if self.tenant.aborted.load(Ordering::Relaxed) {
            return Tick::Abort;
        }
        let mut held = lock(&self.state);
        self.pay(&mut held);
        let due = lock(&self.tenant.member.pool.fair)
            .fair
            .is_due(self.tenant.member.id);
        if due {
            release(&self.tenant);
            wait_for_core(&self.tenant);
        }
        Tick::Continue
    }

    fn may_log(&self) -> bool {
        self.tenant.account.may_log()
    }

    fn is_shadow(&self) -> bool {
        self.tenant.account.is_shadow()
    }

    fn grow(&self, from: usize, to: usize) -> bool {
        let account = &self.tenant.account;
        let grows = account.allowance().grow(to.saturating_sub(from));
        if grows {
            account.instance_has(to);
        }
        grows
    }

    fn shrink(&self, by: usize) {
        self.tenant.account.allowance().shrink(by);
    }
}

fn wait_for_core(tenant: &Tenant) {
    let mut cores = lock(&tenant.member.pool.fair);
    let (ticket, granted) = cores.fair.ask(tenant.member.id);
    wake(&mut cores, granted);
    let turn = Arc::new(Condvar::new());
    loop {
        if let Some(at) = cores.granted.iter().position(|t| *t == ticket) {
            cores.granted.swap_remove(at);
            cores.waiting.remove(&ticket);
            return;
        }
        cores.waiting.insert(ticket, turn.clone());
        cores = turn.wait(cores).unwrap_or_else(PoisonError::into_inner);
    }
}

fn release(tenant: &Tenant) {
    let mut cores = lock(&tenant.member.pool.fair);
    let granted = cores.fair.release(tenant.member.id);
    wake(&mut cores, granted);
}

fn wake(cores: &mut Cores, granted: Option<Ticket>) {
    if let Some(ticket) = granted {
        cores.granted.push(ticket);
        if let Some(turn) = cores.waiting.get(&ticket) {
            turn.notify_one();
        }
    }
}

fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
