"""Delivers leads from `record` to this machine's disk and to Postgres. It handles them as JSON, without their model.

Its modules take threads, locks, clocks, chance and the disk from system.py, so that all of it can be simulated
(tests/simulation).

THE THREADS OF A PROCESS

- Request threads, four of gunicorn's, call `record`. While Postgres is quick, one of those that wait writes the leads
  of all to Postgres, on the relay's connection (group_commit.py). They leave all else to the other threads, and wait.
- The relay (relay.py) owns the connection to Postgres. It opens it, finds out what is wrong, and writes the leads that
  no request has written. It also reads the journal, counts what is delivered, removes files that are finished, and
  adopts the journals of dead processes.
- The journal writer (journal/writer.py) appends leads to the journal and syncs it.
- The copier (copy/copier.py), if it is switched on, reads the journal's files while the breaker is open, and copies
  leads through Supabase's REST API. It settles nothing, and nobody waits for it.
- The health thread (health.py) looks at the disk for /healthz, from its first request on.
- The alerts worker (leads/alerts/worker.py) delivers no leads. It asks the relay whether Postgres is up. That of one
  process also writes this machine's row (machines.py).

`relay.of_this_process` starts the relay and the journal writer at its first call, because threads and locks do not
survive a fork. At a stop the journal writer ends first, so that waiting leads are on the disk, and then the relay,
which closes the outbox. `manage.py outbox flush` starts no threads: it uses PostgresWriter and Outbox directly.

WHO OWNS WHICH STATE

Every field that changes after its constructor. "Alone" means that no other thread reads or writes it.

    state                                    written by                      protected by
    Entry.is_on_disk                         journal writer, once            waiters are notified afterwards
    Entry.is_stored                          relay or a request, once        a turn; waiters are notified afterwards
    GroupCommit._arrivals                    requests append                 atomic; when full, the oldest is dropped
    GroupCommit._in_memory                   relay, requests                 a turn
    GroupCommit.is_left                      relay, requests                 single assignments, see "order" 3
    Relay._has_work                          any sets, relay clears          an Event
    Relay._has_backlog                       relay; journal writer sets      single assignments, see "order" 3
    Relay._must_ask                          requests set, relay clears      single assignments
    Relay._check_at, _ask_at, _adopt_at,     relay                           alone
      _has_noted_outage, _retry_asked_at
    Pace                                     relay, requests                 single assignments
    PostgresWriter.batch_size, _refusal,     relay                           a turn
      _because
    PostgresWriter._suspects, _guilty,       relay, requests                 a turn
      _connection, _must_give_up
    PostgresWriter._busy_since, _took_s      relay, requests                 a turn; requests read them once
    BoundedConnection.until                  requests                        a turn
    JournalWriter._queue                     requests put, writer gets       a SimpleQueue
    JournalWriter._is_waited_for             requests set, writer clears     an Event
    JournalWriter._busy_since                journal writer                  requests read it once
    JournalWriter._is_stopping               the thread that stops it        a single assignment
    Breaker                                  relay; requests that failed     Breaker._lock; one field is read without
    Copier._offsets, _pause_s, _last         copier                          alone
    Outbox._current, _backlog, _last_used    writer, relay, requests         Outbox._lock
    Outbox._failed_at                        the same                        nothing: a stale value costs one more try
    Outbox._ahead                            requests add, relay             single operations on a set
    Outbox._more_to_adopt, _unreadable,      relay                           alone
      _inaccessible, _low, _has_unlocked
    Keeper                                   relay                           alone
    Segment.written                          journal writer, requests        its write lock
    Segment.synced, _has_lost_a_sync         journal writer, requests        its sync lock
    Segment._is_retired                      any                             only ever becomes True
    Segment.is_rescued                       journal writer, relay           Outbox._lock
    Segment._fd, _count_fd                   relay                           both locks, when it closes them
    Segment.delivered, damaged,              relay                           alone
      missing_keys, _checked
    files of machine.py and machines.py      alerts worker; staff pages      replaced whole, by a rename
    files of journal/copied.py               copier; the segment's unlink    one write of a line
    files of ConnectionTurns                 any process of this machine     flock for a turn; replaced whole
    health._counted                          any                             health._counting
    health._look                             any                             health._lock
    the files of trouble.note_outage         each process its own            one write of one length

A turn is GroupCommit._turn: whoever has it uses the relay's connection alone. Requests and the alerts worker append to
the outbox only to retry refused leads. Locks are taken in this order: a turn, the outbox's, a segment's write lock, its
sync lock. No other two are held together, except the breaker's or the waiters' condition within a turn.

STATES

An Entry is a lead in memory. It gets two results, each once, in any order.

    is_on_disk    None: queued         True: on the disk    False: failed, no directory took it
    is_stored     None: not settled    True: delivered      False: refused by Postgres, and put into the quarantine

Any number of threads may wait for one entry. When more than MOST_IN_MEMORY are in memory, the oldest are removed
without a result. No request waits for those any more, and the relay delivers them from the journal.

A Segment is one file of the journal. It is *current* while new records go there; a process has one. It is *retired*,
and takes no more, when it is long or an hour old, when too much waits in it, when its disk fails, when a better
directory works again, or when a command asks for it. A segment of a dead process is *adopted*, and retired from then
on. It is *finished* when all records that it acknowledged are delivered; then it is moved to kept/ for
OUTBOX_KEEP_DAYS, or unlinked. There are four exceptions. A finished segment with damaged lines is moved to damaged/
instead. One with records of which this process has no key is moved to locked/, and moved back by a process that has it.
When a segment is deleted while in use, its waiting records are copied into a new one; then it is *rescued*. A segment
that cannot be read stays where it is: the census names it, and it is adopted when this user may read it again.

THE ORDER OF STEPS THAT MATTERS

1. A record is synced, and its file's name is on the disk, before is_on_disk is True. Postgres has committed it before
   it counts as delivered. A refused record is synced in the quarantine before it counts as settled. After a crash in
   between, an upsert is repeated, which changes nothing.
2. A result is in the entry, or the breaker is open, before waiters are notified, and they check under the condition's
   lock. So no waiter misses a result.
3. A lead is in _arrivals before a request tries for the turn, or sets is_left and then _has_work for the relay, which
   clears them before it looks at memory. A turn ends before the waiters are notified, and under the condition's lock
   they look whether the connection is free; so one of them leads, or the relay does. Records are on the disk before
   _has_backlog is set, and it is cleared before the relay reads the journal. So no lead is overlooked.

HOW LONG A CHECKOUT WAITS

A checkout is answered within 1 s, whatever fails (docs/reliability.md). It waits

- at most 0.4 s for Postgres (LEAD_WAIT_MS). A healthy server answers in a few milliseconds. Waiting this long for a
  slow one is worth it: the message of a stored lead is short, and the lead is in the inbox immediately.
- then at most 0.3 s for the disk (DISK_WAIT_S). A sync takes a millisecond, on a busy disk a few dozen. After that the
  chat's message carries the lead.

Both are used up only when Postgres and the disk hang at the same time; 0.3 s are left for the page itself. No request
waits for Postgres while the breaker is open or a statement has taken longer than LEAD_WAIT_MS, nor for a disk that has
hung for DISK_WAIT_S: only the first customers of an outage wait. A request that writes leads itself stops at the end of
its own 0.4 s, opens the breaker, and leaves the connection to the relay. More than 600 ms for LEAD_WAIT_MS would break
the promise, and the doctor warns of it.

When the site itself does not answer, the customer's page opens the chat within 3 s: 2.5 s for the answer (SERVER_MS in
static/checkout/checkout.js), 0.4 s to keep the lead on the device (DISK_MS in kept.js). The 2.5 s are more than twice
the promised time, so that a slow network is not taken for a dead site.

The relay allows 2 s for a connection, the shortest timeout of libpq, and 1 s for a statement (DEADLINE_S). The breaker
then waits at most 1.5 s (POLICIES). So a database that has recovered is used again within 3 s.
"""
