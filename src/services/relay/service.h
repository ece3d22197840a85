// What the relay does: targets, the inbox, and the log of deliveries. How deliveries are sent is
// dispatcher.h's.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "base/result.h"
#include "services/relay/delivery.h"
#include "services/relay/store.h"
#include "services/relay/target.h"

namespace boxoffice::relay {

// One attempt to send, with all that it needs.
struct Attempt {
  Delivery delivery;
  InboxEvent event;
  std::string url;
  std::string secret;      // raw bytes
  std::string old_secret;  // the one before, while it counts; else empty
  Payload payload = Payload::kFull;
};

// Which deliveries are to be sent now, those that are dead and those that wait: those of `ids`, or, where
// there are none, those of a target (0: of all that take anything) and a range of time.
struct ReplayRequest {
  std::vector<int64_t> ids;
  int64_t target_id = 0;
  Timestamp from{};
  Timestamp until = Timestamp::max();  // not included
};
struct Replayed {
  struct Refused {
    int64_t id = 0;
    std::string code;  // delivery_not_found, not_dead, target_disabled
    bool operator==(const Refused&) const = default;
  };
  size_t count = 0;              // that were dead
  size_t pending = 0;            // of all that was asked for, with those that were dead; with `more`: a part
  std::vector<Refused> refused;  // of those that were named
  bool more = false;             // of a range: there may be more, so ask again
};

struct DeliveryWithBody {
  Delivery delivery;
  std::string body;
  Payload payload = Payload::kFull;  // as its target has it
};

// A target that is sent something.
struct ActiveTarget {
  int64_t id = 0;
  double rate_per_s = 0;     // 0: no bound
  Timestamp paused_until{};  // it asks to be left alone until then; long ago: it doesn't
};

struct AttemptResult {
  Delivery delivery;  // as it was before
  Answer answer;
  std::string url;  // that gave the answer
};

// Thread-safe: calls take turns, each at most one transaction long. Invariants: targets in memory are the
// store's, as of the last Load; of the deliveries of one target and key, those that wait are later than one
// that does not.
class RelayService {
 public:
  // kSecretBytes bytes that nobody can guess.
  using MakeSecret = std::function<std::string()>;
  RelayService(std::unique_ptr<Store> store, const Clock& clock, Random& random, MakeSecret make_secret,
               AddressPolicy addresses = {}, milliseconds log_age = kLogAge);

  // Reads the targets; before anything else, and again to learn what other replicas have changed. Errors of
  // all: database_unavailable.
  [[nodiscard]] Result<void> Load();

  // Makes a target with a new secret; of `choices` count url, event_types, show_ids, payload and rate_per_s.
  // Again with the same operation key and choices: that target as it is now, secret and all. Errors:
  // invalid_argument, operation_key_reused (kConflict: the key was used for other choices), target_deleted
  // (kConflict: what the key made), too_many_targets (kConflict: nothing that waiting would end).
  [[nodiscard]] Result<Target> CreateTarget(const std::string& operation_key, Target choices);
  // Changes what is given. Disabled by it, its pending deliveries become dead (GiveUp); enabled again, it
  // gets what happens from then on. With other types or shows, it gets what they name and happens from then
  // on; what is under way, if they named it before as well. Again: no effect. Errors: invalid_argument,
  // target_not_found, contention (kUnavailable: others change it, ten times in a row; or it is to be enabled,
  // and what was pending is still being given up).
  [[nodiscard]] Result<Target> ChangeTarget(int64_t id, const TargetChange& change);
  // Gives it a new secret; deliveries carry a signature by the one before as well, until `keep_old` is over.
  // A rotation before that one had ended is refused (rotation_under_way, kConflict), as the older secret
  // could count no more, which the platform may still go by; but with a `keep_old` of 0, which ends them at
  // once. Again with the operation key of the last rotation and the same `keep_old`: the secret that it made.
  // Errors: invalid_argument, target_not_found, operation_key_reused (kConflict: with another `keep_old`),
  // contention.
  [[nodiscard]] Result<Target> RotateSecret(const std::string& operation_key, int64_t id,
                                            milliseconds keep_old);
  // Sends it an event of kTestType, once, whatever it asked for, after a pause that it has asked for; what
  // came of it is in the log. Again: another one. Errors: target_not_found, target_disabled (kConflict).
  [[nodiscard]] Result<Delivery> TestTarget(int64_t id);
  // Its pending deliveries become dead (GiveUp). Again: no effect. Errors: target_not_found.
  [[nodiscard]] Result<void> DeleteTarget(int64_t id);
  // Up to `limit` targets that are not deleted with ids above `after_id`, by id, as they are stored.
  [[nodiscard]] Result<std::vector<Target>> ListTargets(int64_t after_id, size_t limit);

  // Whether any target is sent such events: what nobody wants need not be read.
  [[nodiscard]] bool Wants(std::string_view type) const;
  // Takes events into the inbox, with a delivery for each target that they match. Again: no effect. Returns
  // whether anything was added. Errors: of the store; constraint (kConflict: others were first, twice).
  [[nodiscard]] Result<bool> AcceptEvents(std::span<const InboxEvent> events);

  [[nodiscard]] Result<std::vector<Delivery>> ListDeliveries(const DeliveryQuery& query);
  // Errors: delivery_not_found.
  [[nodiscard]] Result<DeliveryWithBody> GetDelivery(int64_t id);
  // Sends a delivery now: a dead one becomes pending, with all its attempts anew, and may be sent after
  // later ones of its key; of one that is pending the attempts count on. It is due at once, or, where
  // another of its target and key has the turn, that one is. A pause that its target has asked for ends.
  // Errors: delivery_not_found, not_dead (kConflict: it was delivered), target_disabled (kConflict).
  [[nodiscard]] Result<Delivery> ReplayDelivery(int64_t id);
  // The same for many: up to kMaxReplayIds that are named, or, of a range, kReplayBatch at a time: the dead
  // ones, the oldest first, and then those that wait for their next attempt.
  // Those of one target and key go out in their order. Again: what is pending already was not dead.
  // Errors: invalid_argument, target_not_found (target_id), target_disabled (kConflict; target_id).
  [[nodiscard]] Result<Replayed> ReplayDeliveries(const ReplayRequest& request);

  // For the dispatcher: what is due of a target and not `under_way`, the longest due first; and when its next
  // one is, if any is.
  [[nodiscard]] Result<std::vector<Attempt>> Due(int64_t target_id, size_t limit,
                                                 const std::set<int64_t>& under_way);
  [[nodiscard]] Result<std::optional<Timestamp>> NextDue(int64_t target_id);
  // But for those that DisableGone is to disable.
  [[nodiscard]] std::vector<ActiveTarget> EnabledTargets() const;
  // Records attempts, leaves alone targets that asked for it, and notes those that answered 410. Attempts
  // whose delivery or target was given up meanwhile, or whose delivery was replayed: only a success counts.
  // Again: no effect.
  [[nodiscard]] Result<void> Record(std::span<const AttemptResult> results);
  // Disables the targets that answered 410, at the URL that they still have. One that can't be is left for
  // the next call, and the others are.
  [[nodiscard]] Result<void> DisableGone();
  // Gives up a part of what is still pending of one target that was disabled or deleted, by whichever
  // replica. Returns whether there may be more. Again: the next part.
  [[nodiscard]] Result<bool> GiveUp();
  // Removes from the log a part of what has ended longer ago than it is kept. Returns how much.
  [[nodiscard]] Result<size_t> Prune();
  // See Store: of some ids at a time.
  [[nodiscard]] Result<Forgotten> ForgetProcessed(Timestamp before);

  static constexpr std::chrono::hours kLogAge{30 * 24};
  // Whoever is to replay what is dead needs a day. What a release that kept no ends has ended counts from its
  // making, and may have been tried for ten: nine pauses of kMaxPause and a tenth each.
  static constexpr std::chrono::hours kLeastLogAge{11 * 24};
  static constexpr size_t kMaxReplayIds = 200;
  static constexpr size_t kReplayBatch = 1'000;

 private:
  static constexpr size_t kPruneBatch = 1'000;
  static constexpr size_t kGiveUpBatch = 1'000;
  static constexpr int kMaxTries = 10;
  // What `make` makes of a target, saved on top of what it saw.
  using Make = std::function<Result<Target>(const Target&)>;
  [[nodiscard]] Result<void> SavePauses(std::span<const AttemptResult> results, Timestamp now);
  [[nodiscard]] Result<Target> SaveChange(int64_t id, const Make& make);
  // A part of one target's. Returns whether there may be more of it.
  [[nodiscard]] Result<bool> GiveUpSome(const Target& target);
  // One that takes nothing, and may have something pending; nullptr: there is none.
  [[nodiscard]] const Target* FindUnfinished() const;
  [[nodiscard]] Result<Target*> FindLive(int64_t id);
  [[nodiscard]] Result<Replayed> ReplayNamed(const std::vector<int64_t>& ids);
  [[nodiscard]] Result<Replayed> ReplayRange(const ReplayRequest& request);
  [[nodiscard]] Result<bool> DecideAndInsert(std::span<const InboxEvent> events);
  [[nodiscard]] Target* FindTarget(int64_t id);
  // The target that `operation_key` made, if any. Errors: operation_key_reused, for another content.
  [[nodiscard]] Result<std::optional<Target>> FindMade(const Target& wanted);
  [[nodiscard]] double Jitter();

  const std::unique_ptr<Store> store_;
  const Clock& clock_;
  Random& random_;
  const MakeSecret make_secret_;
  const AddressPolicy addresses_;
  const milliseconds log_age_;
  mutable std::mutex mutex_;
  std::vector<Target> targets_;                     // by id, also deleted ones
  std::set<std::pair<int64_t, std::string>> gone_;  // target and URL that answered 410, until it is disabled
  // Targets that take nothing, with the version at which nothing was pending: nothing comes until it is
  // another.
  std::map<int64_t, int64_t> finished_;
};

}  // namespace boxoffice::relay
