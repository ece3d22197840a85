// The relay's store in memory: for tests of the core and for simulation.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "services/relay/store.h"

namespace boxoffice::relay {

// Lost with the object.
class MemoryStore : public Store {
 public:
  Result<std::vector<Target>> LoadTargets() override;
  Result<int64_t> InsertTarget(const Target& target) override;
  Result<void> DeleteTarget(int64_t target_id) override;
  Result<void> ChangeTarget(const Target& target) override;
  Result<size_t> GiveUp(int64_t target_id, std::string_view why, Timestamp now, size_t limit) override;
  Result<void> Pause(int64_t target_id, const std::string& url, Timestamp until) override;
  Result<std::vector<bool>> AreProcessed(std::span<const EventId> ids) override;
  Result<std::set<TargetKey>> Waiting(const std::set<TargetKey>& keys) override;
  Result<void> Insert(const Accepted& accepted) override;
  Result<std::vector<Outgoing>> Due(int64_t target_id, Timestamp now, size_t limit,
                                    const std::set<int64_t>& under_way, double rate_per_s) override;
  Result<std::optional<Timestamp>> NextDue(int64_t target_id) override;
  Result<void> Update(std::span<const Delivery> deliveries, Timestamp now) override;
  Result<size_t> Replay(std::span<const int64_t> ids, Timestamp now) override;
  Result<Hastened> Hasten(const RangeQuery& query, Timestamp now) override;
  Result<std::vector<Delivery>> ListDead(const RangeQuery& query) override;
  Result<std::optional<InboxEvent>> FindEvent(const EventId& id) override;
  Result<std::optional<Delivery>> Find(int64_t delivery_id) override;
  Result<std::vector<Delivery>> List(const DeliveryQuery& query) override;
  Result<size_t> Prune(Timestamp before, size_t limit) override;
  Result<Forgotten> ForgetProcessed(Timestamp before, size_t limit) override;

 private:
  void MakeDue(const TargetKey& key, Timestamp now);
  // Whether it is disabled or deleted. One that was never made is not.
  [[nodiscard]] bool TakesNothing(int64_t target_id) const;

  std::vector<Target> targets_;
  std::map<int64_t, int64_t> turns_us_;
  std::set<EventId> processed_;
  Timestamp processed_before_{};
  std::map<EventId, InboxEvent> events_;
  std::map<int64_t, Delivery> deliveries_;
  std::map<int64_t, Timestamp> ended_at_;  // of deliveries, the last time
  int64_t last_delivery_ = 0;
};

}  // namespace boxoffice::relay
