// The rules of the waiting room: what each command does. Pure: no I/O, no clock.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "base/id.h"
#include "base/result.h"
#include "services/queue/loading.h"
#include "services/queue/session.h"
#include "services/queue/show_queue.h"

namespace boxoffice::queue {

// Commands. What they do and how they are refused is in queue.proto.
struct Join {
  int64_t show_id = 0;
  std::string user_id;
};
struct Leave {
  Ticket ticket;
  std::string user_id;
};
struct Poll {
  Ticket ticket;
  std::string user_id;
};
// Of the three that a saga sends: who asks, and for what.
struct SagaCall {
  SagaId saga;
  ReservationId reservation;
  std::string user_id;
  int64_t show_id = 0;
};
struct Bind {
  SagaCall call;
  Ticket ticket;
};
struct Unbind {
  SagaCall call;
};
struct Complete {
  SagaCall call;
};
struct Heartbeat {
  int64_t show_id = 0;
  std::vector<uint64_t> sequences;
};
struct Configure {
  int64_t show_id = 0;
  std::optional<double> rate_per_s;
  std::optional<uint32_t> active_cap;
  std::optional<QueueState> state;
  std::optional<Timestamp> opens_at{};  // zero: never
  std::string seed{};                   // a new one, with kPrequeue
};
// A round of admission for every show: what the module's timer sends.
struct Tick {};
using Command = std::variant<Join, Leave, Poll, Bind, Unbind, Complete, Heartbeat, Configure, Tick>;

struct SessionAnswer {
  SessionState state = SessionState::kNone;
  Claims claims;  // of the token to answer with
  uint64_t position = 0;
  uint64_t place = 0;
  uint32_t eta_s = 0;
  uint32_t refresh_interval_s = 0;  // 0: there is nothing to ask for any longer
  Timestamp expires_at;             // zero once the session has ended
  QueueState queue_state = QueueState::kOpen;
  Timestamp opens_at{};
  std::string_view refusal;  // if not empty, all above is
};
struct BindAnswer {
  enum class Kind : uint8_t { kDone = 1, kRefused = 2, kAborted = 3, kMismatch = 4 };  // as in the contract
  Kind kind = Kind::kDone;
  std::string_view refusal;
  SessionState state = SessionState::kNone;
};
struct Nothing {};
// A show's queue as edges and operators see it.
struct QueueView {
  Show show;
  uint64_t waiting = 0;
  uint64_t active = 0;
  double admitted_per_s = 0;            // MeasuredPerS
  double pace_per_s = 0;                // PacePerS
  std::string_view refusal;             // of Configure: why nothing was changed
  std::vector<uint64_t> left_lately{};  // who has given up the place within kLeftLately, not called yet
  std::vector<Loading> loadings{};      // the latest at the end
  bool operator==(const QueueView&) const = default;
};
using Outcome = std::variant<SessionAnswer, BindAnswer, Nothing, QueueView>;

[[nodiscard]] QueueView ViewOf(const ShowQueue& queue, Timestamp now);

// kInvalidArgument invalid_field, with the field and its range in the detail.
[[nodiscard]] Result<void> CheckSettings(const Configure& configure);

// A saga, and the show that it says it is of: a store may keep all of a show in one place.
struct SagaKey {
  SagaId saga;
  int64_t show_id = 0;
  auto operator<=>(const SagaKey&) const = default;
};
// What a batch needs besides memory: sessions that tokens name and that ended, sagas that no live session
// names. Sorted, without doubles.
struct Keys {
  std::vector<SessionKey> sessions;
  std::vector<SagaKey> sagas;
  [[nodiscard]] bool empty() const { return sessions.empty() && sagas.empty(); }
};
[[nodiscard]] Keys KeysOf(const WaitingRoom& room, std::span<const Command> commands);
// What of it is stored; sorted by key.
struct Found {
  std::vector<Session> sessions;
  std::vector<SagaRecord> sagas;
};

struct Rows {
  const WaitingRoom& room;
  const Found& found;
  // No edge is there that could see anybody: ticks do nothing, so that nobody is called, and nobody's time
  // ends, whatever sagas ask for.
  bool unseen = false;
  uint64_t max_places = kMaxPlaces;  // of all shows; with as many nobody joins anew
};
struct Decision {
  std::vector<Outcome> outcomes;  // one per command, in order
  Changes changes;
};
// Earlier commands of the batch win. Presence that heartbeats tell of is not decided here: the service notes
// it first.
[[nodiscard]] Decision Decide(const Rows& rows, std::span<const Command> commands, Timestamp now);

}  // namespace boxoffice::queue
