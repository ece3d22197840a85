/*
 * The saga's protocol: two orchestrators that may run one saga, and participants behind a network that loses, delays and
 * repeats what is sent. saga_test.py has spin look at every interleaving. README.md says which code is which line.
 *
 * A saga is a list of steps. Each step is a command to a participant, keyed by the saga, and so is its undo.
 */

#define LAST     3      /* the steps are 0 … LAST */
#define HOLD     0      /* seat:    hold the seat     undone by RELEASE */
#define DEBIT    1      /* wallet:  take the money    undone by REFUND  */
#define APPROVE  2      /* payment: approve it        undone by CANCEL  */
#define CONFIRM  3      /* seat:    sell the seat     undone by RELEASE, with HOLD */
#define RELEASE  4
#define REFUND   5
#define CANCEL   6
#define NOTHING  7

#ifndef FAULTS
#define FAULTS   2      /* calls whose request or reply is lost */
#endif
#ifndef CRASHES
#define CRASHES  2
#endif
#ifndef STEALS
#define STEALS   1      /* times that a lease ends while its owner still runs */
#endif

mtype = { RUNNING, CONFIRMED, FAILED }                 /* the reservation */
mtype = { FREE, OURS, SOLD, OTHERS }                   /* the seat */
mtype = { DONE, REFUSED, ABORTED, UNKNOWN }            /* answers */

/* The reservation's row. */
mtype state = RUNNING
bool undoing = false
byte undo_from = 0
byte epoch = 0
bool lease_ended = true

/* The participants' rows. */
mtype seat = FREE
bool debited = false
bool approved = false
bool declined = false
bool seat_undone = false        /* the tombstones of this saga */
bool wallet_undone = false
bool payment_undone = false

byte sent = 0                   /* commands that were ever sent, a bit each: each may come again at any time */
bool taken = false              /* somebody else has got the seat */
bool late = false               /* the saga's deadline has passed */
byte faults = 0
byte crashes = 0
byte steals = 0

#ifdef NO_TOMBSTONE
#define UNDONE(row) false
#else
#define UNDONE(row) (row)
#endif
#ifdef NO_EPOCH
#define OWNED(mine) true
#else
#define OWNED(mine) (epoch == (mine))
#endif

/* What a participant does with a command: its row decides. */
inline deliver(command, answer) {
  if
  :: command == HOLD ->
     if
     :: UNDONE(seat_undone) -> answer = ABORTED
     :: else ->
        if
        :: seat == FREE -> seat = OURS; answer = DONE
        :: seat == OURS || seat == SOLD -> answer = DONE
        :: seat == OTHERS -> answer = REFUSED
        fi
     fi
  :: command == CONFIRM ->
     if
     :: UNDONE(seat_undone) -> answer = ABORTED
     :: else ->
        if
        :: seat == OURS -> seat = SOLD; answer = DONE
        :: seat == SOLD -> answer = DONE
#ifdef NO_OWNER_CHECK
        :: seat == FREE || seat == OTHERS -> seat = SOLD; answer = DONE
#else
        :: seat == FREE || seat == OTHERS -> answer = REFUSED
#endif
        fi
     fi
  :: command == RELEASE ->
     seat_undone = true;
     if
#ifdef NO_OWNER_CHECK
     :: true -> seat = FREE
#else
     :: seat == OURS || seat == SOLD -> seat = FREE
     :: else
#endif
     fi;
     answer = DONE
  :: command == DEBIT ->
     if
     :: UNDONE(wallet_undone) -> answer = ABORTED
     :: else ->
        if
        :: debited -> answer = DONE
        :: !debited -> debited = true; answer = DONE
        :: !debited -> answer = REFUSED      /* the balance is too low now; that is not on record */
        fi
     fi
  :: command == REFUND -> wallet_undone = true; debited = false; answer = DONE
  :: command == APPROVE ->
     if
     :: UNDONE(payment_undone) -> answer = ABORTED
     :: else ->
        if
        :: approved -> answer = DONE
        :: declined -> answer = REFUSED
        :: !approved && !declined -> approved = true; answer = DONE
        :: !approved && !declined -> declined = true; answer = REFUSED
        fi
     fi
  :: command == CANCEL -> payment_undone = true; approved = false; answer = DONE
  fi
}

inline call(command, answer) {
  atomic {
    sent = sent | (1 << command);
    if
    :: deliver(command, answer)
    :: faults < FAULTS -> faults++; answer = UNKNOWN                                  /* lost, or late */
    :: faults < FAULTS -> faults++; deliver(command, answer); answer = UNKNOWN        /* the reply is lost */
    fi
  }
}

proctype Orchestrator() {
  byte mine = 0;
  byte step = 0;
  byte undo = NOTHING;
  byte from = 0;
  mtype answer = UNKNOWN;

claim:
  atomic {
    answer = UNKNOWN; step = 0; undo = NOTHING; from = 0; mine = 0;
    if
    :: state != RUNNING -> goto end
    :: state == RUNNING && lease_ended -> lease_ended = false
    :: state == RUNNING && !lease_ended && steals < STEALS -> steals++
    fi;
    epoch++;
    mine = epoch;
    from = undo_from;
    if
    :: undoing -> goto back
    :: !undoing && late -> from = LAST; goto decide
    :: else
    fi
  }

forward:
  do
  :: step > LAST -> break
  :: step <= LAST ->
     call(step, answer);
     if
     :: crashes < CRASHES -> goto crash
     :: answer == DONE -> step++
     :: answer == UNKNOWN && !late -> goto postpone
     :: (answer == UNKNOWN && late) || answer == REFUSED || answer == ABORTED ->
#ifdef UNDO_WHAT_THIS_RUN_DID
        from = step;
#else
        /* How far an earlier run got is not on record. */
        from = (mine == 1 -> step : LAST);
#endif
        goto decide
     fi
  od;
  atomic {
    if
    :: OWNED(mine) -> state = CONFIRMED
    :: else
    fi;
    goto claim
  }

decide:
  atomic {
    if
    :: OWNED(mine) && state == RUNNING -> undoing = true; undo_from = from
    :: else -> goto claim
    fi
  }
back:
#ifdef SPARE_THE_REFUSED_STEP
  if
  :: from > 0 -> from--
  :: else -> goto undone
  fi;
#endif
undoing_loop:
  atomic {
    if
    :: from == CONFIRM -> undo = NOTHING      /* RELEASE does it too */
    :: from == APPROVE -> undo = CANCEL
    :: from == DEBIT -> undo = REFUND
    :: from == HOLD -> undo = RELEASE
    fi
  }
  if
  :: undo == NOTHING -> answer = DONE
  :: else -> call(undo, answer)
  fi;
  if
  :: crashes < CRASHES -> goto crash
  :: answer == UNKNOWN -> goto postpone
  :: answer == DONE ->
     if
     :: from > 0 -> from--; goto undoing_loop
     :: else
     fi
  fi;
undone:
  atomic {
    if
    :: OWNED(mine) && state == RUNNING -> state = FAILED
    :: else
    fi;
    goto claim
  }

postpone:
  atomic {
    if
    :: epoch == mine -> lease_ended = true
    :: else
    fi;
    goto claim
  }
crash:
  atomic {
    crashes++;
    if
    :: epoch == mine -> lease_ended = true
    :: else
    fi;
    goto claim
  }
end:
  skip
}

/* What was sent comes once more, at any time; nobody hears the answer. */
active proctype Network() {
  mtype ignored = UNKNOWN;
end:
  do
  :: atomic { sent & (1 << HOLD) -> deliver(HOLD, ignored); ignored = UNKNOWN }
  :: atomic { sent & (1 << DEBIT) -> deliver(DEBIT, ignored); ignored = UNKNOWN }
  :: atomic { sent & (1 << APPROVE) -> deliver(APPROVE, ignored); ignored = UNKNOWN }
  :: atomic { sent & (1 << CONFIRM) -> deliver(CONFIRM, ignored); ignored = UNKNOWN }
  :: atomic { sent & (1 << RELEASE) -> deliver(RELEASE, ignored); ignored = UNKNOWN }
  :: atomic { sent & (1 << REFUND) -> deliver(REFUND, ignored); ignored = UNKNOWN }
  :: atomic { sent & (1 << CANCEL) -> deliver(CANCEL, ignored); ignored = UNKNOWN }
  od
}

/* A hold that has passed its deadline is free to somebody else. */
active proctype World() {
end:
  do
  :: atomic { !late -> late = true }
  :: atomic { seat == FREE || seat == OURS -> seat = OTHERS; taken = true }
  :: atomic { seat == OURS -> seat = FREE }
  od
}

init {
  atomic { run Orchestrator(); run Orchestrator() }
}

#define kept   (debited || approved || seat == OURS || seat == SOLD)
#define bought (debited && approved && seat == SOLD)
#define robbed (taken && seat != OTHERS)

/* Neither a late command nor a stale owner changes what was decided. */
ltl right { [] ((state == FAILED -> !kept) && (state == CONFIRMED -> bought) && !robbed) }
ltl final { [] ((state == FAILED -> [] (state == FAILED)) && (state == CONFIRMED -> [] (state == CONFIRMED))) }
ltl ends { <> (state != RUNNING) }
