// The waiting room as it is in memory: of each show the line, by sequence, and the members (ACTIVE, and those
// whose saga goes on). It says what is; it decides nothing. It changes only by what a commit has made durable
// (Apply), by presence, and when it is loaded.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/id.h"
#include "platform/auth/shuffle.h"
#include "services/queue/pace.h"
#include "services/queue/session.h"
#include "services/queue/user_index.h"

namespace boxoffice::queue {

// One place of the line. A million of them wait, so it holds nothing but what calling them needs: 48 bytes,
// and 24 in the index, for names up to 15 characters.
struct Waiter {
  std::string user_id;  // empty: whoever stood here has left
  Timestamp joined_at;
  Timestamp last_seen;
};

// What of a session is stored apart, for each command changes only some of it.
struct StoredParts {
  bool row = false;         // state and times
  bool binding = false;     // the saga and its reservation
  bool membership = false;  // Session::Member; changes only with one of the others
};
// A session as it is after a decision.
struct SessionChange {
  Session session;
  bool is_new = false;  // it joined in this decision
  StoredParts parts;    // that changed; the others are stored as the session has them
  bool forget = false;  // an EXPIRED one that no saga can name any longer
  // Whether something of it must be stored; otherwise memory only.
  [[nodiscard]] bool Durable() const { return parts.row || parts.binding; }
};
// What a decision changes of one show.
struct ShowChange {
  Show show;  // with the version as loaded
  Pace pace;
  std::shared_ptr<const auth::Shuffle> order;  // null: no draw in this decision
  bool durable = false;                        // something of this show must be stored
  std::vector<SessionChange> sessions;         // by sequence
};
// What a decision changes; what is not durable needs no commit.
struct Changes {
  std::vector<ShowChange> shows;  // by show id
  std::vector<SagaRecord> sagas;  // by saga; replaces a record that is there
  [[nodiscard]] bool Durable() const;
};

// Not thread-safe. Invariant: the line holds exactly the places head + 1 … last. Somebody's place is the
// sequence, but where a draw has shuffled them; before a draw the head does not go past those whom it does
// not concern.
class ShowQueue {
 public:
  explicit ShowQueue(Show show);

  [[nodiscard]] const Show& show() const { return show_; }
  [[nodiscard]] const Pace& pace() const { return pace_; }
  [[nodiscard]] uint64_t waiting() const { return waiting_; }  // without those who left
  [[nodiscard]] uint64_t active() const { return active_; }
  [[nodiscard]] uint64_t places() const { return line_.size(); }  // with those of who left

  // The order of a draw that is not over; null: everybody's place is the sequence, or called.
  [[nodiscard]] const std::shared_ptr<const auth::Shuffle>& order() const { return order_; }
  // Of a sequence up to the last.
  [[nodiscard]] uint64_t PlaceOf(uint64_t sequence) const {
    return order_ != nullptr ? order_->PlaceOf(sequence) : sequence;
  }

  // The live session of a user.
  [[nodiscard]] std::optional<uint64_t> FindUser(std::string_view user_id) const;
  // nullptr: not in the line (called, left, or never there).
  [[nodiscard]] const Waiter* FindWaiter(uint64_t sequence) const;
  // nullptr: neither ACTIVE nor EXPIRED with a saga that goes on.
  [[nodiscard]] const Session* FindMember(uint64_t sequence) const;
  // Members by the moment at which they are over: ACTIVE ones at active_until, EXPIRED ones when their token
  // ends.
  using Due = std::set<std::pair<Timestamp, uint64_t>>;
  [[nodiscard]] const Due& due() const { return due_; }
  // Whether time alone may change something.
  [[nodiscard]] bool NeedsTick(Timestamp now) const;

  // A stored session that is WAITING, ACTIVE or bound. Everybody counts as seen `now`, and an ACTIVE session
  // as active now.
  void Restore(Session session, Timestamp now);
  // To be called when all are restored.
  void FinishRestore(Timestamp now);
  void Apply(const ShowChange& change);
  // Presence of waiting people; sequences that don't wait are ignored.
  void Seen(std::span<const uint64_t> sequences, Timestamp now);
  // Everybody waiting counts as seen `now`, and whoever is ACTIVE as active now: as after a restart.
  void SeeEverybody(Timestamp now);
  // The clock was ahead, and has been put right: the same, and what was measured by it is forgotten. So no
  // slot is kept, and nobody counts as there, until a moment that is yet to come.
  void ClockWentBack(Timestamp now);

 private:
  static void RenewAsOf(Timestamp now, Session& active);
  [[nodiscard]] std::string_view UserOf(uint64_t sequence) const;
  [[nodiscard]] Waiter* WaiterOf(uint64_t sequence);
  [[nodiscard]] Waiter& StandAt(uint64_t place) { return line_[place - show_.head_sequence - 1]; }
  void Reorder(std::shared_ptr<const auth::Shuffle> order);
  void ApplySession(const SessionChange& change);
  void LeaveLine(uint64_t sequence);
  void PutMember(const Session& session);
  void DropMember(uint64_t sequence);
  [[nodiscard]] static Timestamp DueOf(const Session& member);

  Show show_;
  Pace pace_;
  std::shared_ptr<const auth::Shuffle> order_;
  std::deque<Waiter> line_;  // by place; front: head + 1
  std::unordered_map<uint64_t, Session> members_;
  Due due_;
  UserIndex users_;  // live sessions
  uint64_t waiting_ = 0;
  uint64_t active_ = 0;
};

// All shows, and which session a saga is bound to. Not thread-safe.
class WaitingRoom {
 public:
  [[nodiscard]] const ShowQueue* Find(int64_t show_id) const;
  [[nodiscard]] const std::unordered_map<int64_t, ShowQueue>& shows() const { return shows_; }
  [[nodiscard]] uint64_t places() const { return places_; }  // in the lines of all shows
  // The session that names the saga and is not finished.
  [[nodiscard]] std::optional<SessionKey> FindBound(SagaId saga) const;

  void RestoreShow(Show show);
  void RestoreSession(Session session, Timestamp now);
  void FinishRestore(Timestamp now);
  void Apply(const Changes& changes);
  void Seen(int64_t show_id, std::span<const uint64_t> sequences, Timestamp now);
  void SeeEverybody(Timestamp now);
  void ClockWentBack(Timestamp now);
  // Whether anybody waits or is ACTIVE.
  [[nodiscard]] bool HasPeople() const;

 private:
  std::unordered_map<int64_t, ShowQueue> shows_;
  std::unordered_map<SagaId, SessionKey> bound_;
  uint64_t places_ = 0;
};

}  // namespace boxoffice::queue
