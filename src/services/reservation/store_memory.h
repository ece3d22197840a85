// The reservation store in memory: what the contract tests hold the databases against, and what sagas are
// tested on.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "services/reservation/store.h"

namespace boxoffice::reservation {

// Not durable; one thread.
class MemoryStore final : public Store {
 public:
  [[nodiscard]] Result<Rows> Load(const Keys& keys, Timestamp now) override;
  [[nodiscard]] Result<std::vector<bool>> Save(std::span<const Change> changes) override;
  [[nodiscard]] Result<Forgotten> ForgetRequests(Timestamp before, int64_t limit) override;

  [[nodiscard]] const std::map<ReservationId, Reservation>& reservations() const { return reservations_; }
  // Their types.
  [[nodiscard]] const std::vector<std::string>& events() const { return events_; }
  // Which shows are cancelled; empty: none. Of those that would keep a fee it is asked at each load and save.
  std::function<bool(int64_t show_id)> is_cancelled;

 private:
  [[nodiscard]] bool IsCancelled(int64_t show_id) const { return is_cancelled && is_cancelled(show_id); }
  [[nodiscard]] bool MayBegin(const Change& change) const;
  // The request's reservation, if it rests.
  [[nodiscard]] std::optional<Answer> AnswerOf(const RequestRecord& request) const;
  std::map<ReservationId, Reservation> reservations_;
  std::map<RequestKey, RequestRecord> requests_;
  std::vector<std::string> events_;
};

}  // namespace boxoffice::reservation
