// What a batch of commands has decided so far, over the waiting room as it is: reads fall through to memory,
// or to the rows that were loaded for the batch; writes stay here until Take. The transitions of a session,
// which keep the counts right, are here; when they may happen is in queue_rules and admission.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "base/id.h"
#include "services/queue/pace.h"
#include "services/queue/session.h"
#include "services/queue/show_queue.h"

namespace boxoffice::queue {

// One show. Not thread-safe; must not outlive what it reads.
class ShowDraft {
 public:
  // `base` may be null (a show that nobody joined or configured). `loaded`: stored sessions of this show that
  // memory does not hold.
  ShowDraft(int64_t show_id, const ShowQueue* base, std::span<const Session> loaded);

  [[nodiscard]] const Show& show() const { return show_; }
  [[nodiscard]] const Pace& pace() const { return pace_; }
  [[nodiscard]] uint64_t waiting() const { return waiting_; }
  [[nodiscard]] uint64_t active() const { return active_; }

  // The places of sequences, and the other way round, after a draw of this batch, too.
  [[nodiscard]] uint64_t PlaceOf(uint64_t sequence) const {
    return order_ != nullptr ? order_->PlaceOf(sequence) : sequence;
  }
  [[nodiscard]] uint64_t SequenceAt(uint64_t place) const {
    return order_ != nullptr ? order_->NumberAt(place) : place;
  }

  // The session, to be read; changed only by the transitions below. nullptr: no such one. Stays where it is.
  [[nodiscard]] const Session* Find(uint64_t sequence);
  // The user's live session; nullptr: none.
  [[nodiscard]] const Session* FindUser(std::string_view user_id);
  // Whoever stands there in the line, if somebody does; cheaper than Find.
  struct Place {
    Timestamp joined_at;
    Timestamp last_seen;
  };
  [[nodiscard]] std::optional<Place> FindPlace(uint64_t sequence) const;
  // Members that are over at `now`, by moment; the first `most` of them.
  struct Due {
    std::vector<uint64_t> ended;    // ACTIVE, and their time has ended
    std::vector<uint64_t> forlorn;  // EXPIRED, and their token has ended: no saga can name them any longer
  };
  [[nodiscard]] Due DueMembers(size_t most, Timestamp now) const;

  // A new session at the end of the line.
  const Session& Join(std::string_view user_id, Timestamp now);
  // WAITING: the person is there.
  void See(uint64_t sequence, Timestamp now);
  // WAITING → ACTIVE.
  void Admit(uint64_t sequence, Timestamp now);
  // ACTIVE: active_until moves to kActiveTime from now, but not past kActiveMax from the admission; never
  // back.
  void Renew(uint64_t sequence, Timestamp now);
  // To COMPLETED (from ACTIVE, or EXPIRED while bound) or EXPIRED (from WAITING or ACTIVE).
  void End(uint64_t sequence, SessionState state, Timestamp now);
  // To EXPIRED, because the person wants so.
  void Leave(uint64_t sequence, Timestamp now);
  // Names the saga that the session is bound to; nil: none.
  void Bind(uint64_t sequence, SagaId saga, ReservationId reservation);
  // An EXPIRED session that no saga can name any longer leaves memory.
  void Forget(uint64_t sequence);

  // Head and bucket after a round of admission.
  void Advance(uint64_t head, double credit, Timestamp now);
  // The clock has gone back: the bucket fills from `now` on, and not only once that moment has come again.
  void RefillFrom(Timestamp now);
  void Configure(const Settings& settings, double credit, Timestamp now);
  // Whoever joins from now on is to be drawn.
  void Commit(std::string seed);
  // Gives them their places.
  void DrawPlaces(Timestamp now);

  // Whether anything differs from the base.
  [[nodiscard]] bool Changed() const { return changed_; }
  [[nodiscard]] ShowChange Take();

 private:
  SessionChange* Touch(uint64_t sequence);
  // For a transition that changes these of the stored parts; the membership shows at the end.
  SessionChange& Change(uint64_t sequence, const StoredParts& parts);

  const ShowQueue* base_;
  std::span<const Session> loaded_;
  Show show_;
  Pace pace_;
  std::shared_ptr<const auth::Shuffle> order_;
  bool drawn_ = false;  // in this batch
  uint64_t waiting_ = 0;
  uint64_t active_ = 0;
  bool changed_ = false;
  bool durable_ = false;
  struct Touched {
    SessionChange change;
    bool changed = false;
    bool was_member = false;
  };
  std::map<uint64_t, Touched> touched_;  // ordered: Take gives them by sequence
  std::unordered_map<std::string, uint64_t> joined_;
};

// All shows of a batch, and the sagas.
class Draft {
 public:
  // `sessions` and `sagas`: what was loaded, sorted by key.
  Draft(const WaitingRoom& room, std::span<const Session> sessions, std::span<const SagaRecord> sagas)
      : room_(room), sessions_(sessions), sagas_(sagas) {}

  ShowDraft& Of(int64_t show_id);
  [[nodiscard]] const WaitingRoom& room() const { return room_; }

  // What became of a saga that no session names; nullptr: nothing is recorded.
  [[nodiscard]] const SagaRecord* FindRecord(SagaId saga) const;
  void Record(const SagaRecord& record);
  // The unfinished session that names the saga.
  [[nodiscard]] std::optional<SessionKey> FindBound(SagaId saga) const;
  // Binds the session (or frees it: both nil) and keeps FindBound right.
  void Bind(const SessionKey& session, SagaId saga, ReservationId reservation);

  // The bound session has done what it was for: COMPLETED. It still names its saga.
  void Finish(const SessionKey& session, Timestamp now);

  // The shows that this batch has looked at.
  [[nodiscard]] std::map<int64_t, ShowDraft>& shows() { return shows_; }
  [[nodiscard]] Changes Take();

 private:
  const WaitingRoom& room_;
  std::span<const Session> sessions_;
  std::span<const SagaRecord> sagas_;
  std::map<int64_t, ShowDraft> shows_;
  std::map<SagaId, SagaRecord> records_;
  std::unordered_map<SagaId, std::optional<SessionKey>> bound_;
};

}  // namespace boxoffice::queue
