// The rules of what is done for a whole show: who may work on it, who is on its waitlist, and what is
// written. Pure.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/result.h"
#include "services/reservation/show_work.h"

namespace boxoffice::reservation {

// By an operator: the show shall be cancelled. Again: the same cancellation; one that was refused begins
// anew.
struct BeginCancellation {
  int64_t show_id = 0;
  std::string reason;
  std::string operator_id;
};
// A place at the end of the show's waitlist; whoever has one there keeps it. Errors: waitlist_other_wish,
// waitlist_offer_ending.
struct JoinWaitlist {
  int64_t show_id = 0;
  std::string user_id;
  SeatChoice wish;
  bool wish_checked = false;  // that one can wait for it; not so of who had a place when she asked
  // Hers as her offer's end leaves it, at the version that was seen; written first, unless it has moved
  // since.
  std::optional<WaitlistEntry> ended = {};
};
// Again, with the same place, which she has left so: that it is done. Errors: not_on_waitlist,
// waitlist_offered.
struct LeaveWaitlist {
  int64_t show_id = 0;
  std::string user_id;
  uint64_t place = 0;                       // hers when she asked
  std::optional<WaitlistEntry> ended = {};  // as in JoinWaitlist
};
// Takes over what is due, and what it has taken over already without knowing.
struct ClaimWork {
  std::string owner;
  std::map<WorkKind, uint32_t> limits;  // of each kind; none: 0
  // At which epochs the owner may have it: by claims whose COMMIT ended unknown.
  std::map<WorkKey, uint64_t> unsure = {};
};
// By the owner: keeps its lease.
struct RenewWork {
  WorkKey key;
  uint64_t epoch = 0;
};
// By the owner: what it has found out, all together or not at all. `work` is as claimed, with what has
// changed of it; its due_at is when somebody shall look again. With keep_lease the owner goes on, and due_at
// is the book's.
struct KeepWork {
  ShowWork work;
  std::vector<WaitlistEntry> entries;  // as they shall be, at the versions that were seen
  bool keep_lease = false;
};
using ShowCommand =
    std::variant<BeginCancellation, JoinWaitlist, LeaveWaitlist, ClaimWork, RenewWork, KeepWork>;

// Somebody else owns the work, or an entry has moved: look again.
struct StaleWork {};
struct ClaimedWork {
  std::vector<ShowWork> works;
};
struct KeptWork {
  ShowWork work;
  std::vector<WaitlistEntry> entries;  // at their new versions
};
using ShowOutcome = std::variant<ShowWork, WaitlistEntry, ClaimedWork, KeptWork, StaleWork, Error>;

using EntryKey = std::pair<int64_t, uint64_t>;      // show, place
using MemberKey = std::pair<int64_t, std::string>;  // show, user

// What the commands need loaded.
struct ShowKeys {
  std::set<WorkKey> works;
  std::set<EntryKey> entries;
  std::set<MemberKey> members;              // their open entries
  std::map<WorkKind, uint32_t> due_limits;  // of each kind
};
[[nodiscard]] ShowKeys KeysOf(std::span<const ShowCommand> commands);

struct ShowRows {
  std::map<WorkKey, ShowWork> works;  // also those that are due
  std::vector<WorkKey> due;           // of each kind at most its limit, oldest first
  std::map<EntryKey, WaitlistEntry> entries;
};

// Rows to write, all or none: each only if the store has it at the expected version (0: does not have it).
template <typename Row>
struct RowChange {
  Row row;
  uint64_t expected_version = 0;
};
struct ShowChanges {
  std::vector<RowChange<ShowWork>> works;         // by key
  std::vector<RowChange<WaitlistEntry>> entries;  // by key
  [[nodiscard]] bool empty() const { return works.empty() && entries.empty(); }
};

struct ShowDecision {
  std::vector<ShowOutcome> outcomes;  // one per command, in order
  ShowChanges changes;
};
// Earlier commands win; later ones see what they changed.
[[nodiscard]] ShowDecision Decide(const ShowRows& rows, std::span<const ShowCommand> commands, Timestamp now,
                                  const Policy& policy);

}  // namespace boxoffice::reservation
