// What the relay does: targets, the inbox, and the log of deliveries. How deliveries are sent is
// dispatcher.h's.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
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
  std::string secret;  // raw bytes
};

struct AttemptResult {
  Delivery delivery;  // as it was before
  Answer answer;
};

// Thread-safe: calls take turns, each at most one transaction long. Invariants: targets in memory are the
// store's, as of the last Load; of the deliveries of one target and key, those that wait are later than one
// that does not.
class RelayService {
 public:
  // kSecretBytes bytes that nobody can guess.
  using MakeSecret = std::function<std::string()>;
  RelayService(std::unique_ptr<Store> store, const Clock& clock, Random& random, MakeSecret make_secret);

  // Reads the targets; before anything else, and again to learn what other replicas have changed. Errors of
  // all: database_unavailable.
  [[nodiscard]] Result<void> Load();

  // Makes a target with a new secret. Again with the same operation key and content: that target, secret and
  // all. Errors: invalid_argument, mismatch (kConflict: the key was used for another content),
  // too_many_targets (kResourceExhausted).
  [[nodiscard]] Result<Target> CreateTarget(const std::string& operation_key, const std::string& url,
                                            std::vector<std::string> event_types);
  // Its pending deliveries become dead. Again: no effect. Errors: not_found.
  [[nodiscard]] Result<void> DeleteTarget(int64_t id);
  // Up to `limit` targets that are not deleted with ids above `after_id`, by id, as of the last Load.
  [[nodiscard]] std::vector<Target> ListTargets(int64_t after_id, size_t limit) const;

  // Whether any target is sent such events: what nobody wants need not be read.
  [[nodiscard]] bool Wants(std::string_view type) const;
  // Takes events into the inbox, with a delivery for each target that they match. Again: no effect. Returns
  // whether anything was added. An error is never the events' fault (kUnavailable).
  [[nodiscard]] Result<bool> AcceptEvents(std::span<const InboxEvent> events);

  [[nodiscard]] Result<std::vector<Delivery>> ListDeliveries(const DeliveryQuery& query);
  // Makes a dead delivery pending and due, with all its attempts anew; pending already: as it is. It may be
  // sent after later ones of its key. Errors: not_found, not_dead (kConflict: it was delivered),
  // target_disabled (kConflict).
  [[nodiscard]] Result<Delivery> ReplayDelivery(int64_t id);

  // For the dispatcher: what is due of a target and not `under_way`, the longest due first; and when its next
  // one is, if any is.
  [[nodiscard]] Result<std::vector<Attempt>> Due(int64_t target_id, size_t limit,
                                                 const std::set<int64_t>& under_way);
  [[nodiscard]] Result<std::optional<Timestamp>> NextDue(int64_t target_id);
  [[nodiscard]] std::vector<int64_t> EnabledTargets() const;
  // Records attempts, and disables targets that answered 410. Attempts whose delivery or target was given up
  // meanwhile: only a success counts.
  [[nodiscard]] Result<void> Record(std::span<const AttemptResult> results);
  // Removes from the log what ended more than kLogAge ago. Returns how much.
  [[nodiscard]] Result<size_t> Prune();

  static constexpr std::chrono::hours kLogAge{30 * 24};

 private:
  static constexpr size_t kPruneBatch = 1'000;
  [[nodiscard]] Result<bool> DecideAndInsert(std::span<const InboxEvent> events);
  [[nodiscard]] Target* FindTarget(int64_t id);
  // The target that `operation_key` made, if any. Errors: mismatch, for another content.
  [[nodiscard]] Result<std::optional<Target>> FindMade(const std::string& operation_key,
                                                       const std::string& url,
                                                       const std::vector<std::string>& event_types);
  [[nodiscard]] double Jitter();

  const std::unique_ptr<Store> store_;
  const Clock& clock_;
  Random& random_;
  const MakeSecret make_secret_;
  mutable std::mutex mutex_;
  std::vector<Target> targets_;  // by id, also deleted ones
};

}  // namespace boxoffice::relay
