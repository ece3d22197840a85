// Buyers who wait for seats of the show: they join its waitlist, ask again, change their mind, leave, and do
// with an offer what one does with offers. They write down what they were told of their places.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sim/buyers.h"

namespace boxoffice::sim {

class Waiting {
 public:
  Waiting(World& world, Clients& clients) : world_(world), clients_(clients) {}

  // Others have all seats soon, and give some back again; and so many buyers wait, each perhaps more than
  // once.
  void Crowd(int buyers);
  // Joins once, and confirms what is offered.
  void WaitToBuy(const std::string& buyer, uint32_t seats);
  // Whoever waits leaves.
  void LeaveAll();
  // Nobody waits for an answer.
  [[nodiscard]] bool done() const { return open_ == 0; }
  // Offers that there were.
  [[nodiscard]] size_t offers() const { return offers_; }
  // What they were told, and no order of what they asked for explains.
  [[nodiscard]] std::vector<std::string> Judge() const;

 private:
  // A place that is asked for, or given up.
  struct Ask {
    std::string buyer;
    std::optional<reservation::SeatChoice> wish;  // none: leaves
    Timestamp invoked{};
    Timestamp returned{};
    int tries = 0;
    std::optional<reservation::WaitlistEntry>
        place;  // as it was told; none: it was refused, or nothing was told
    std::string refusal;
  };
  // What is told of a request: that which it was when it was asked for.
  using Then = std::function<void(const Ask&)>;
  void Send(size_t index, const Then& then);
  void Begin(Ask ask, Then then);
  void Live(const std::string& buyer, int times, int64_t in_us);
  void Watch(const std::string& buyer, uint64_t place, int times);
  // Something by chance of who has a place and no offer.
  void Fidget(const std::string& buyer, const reservation::WaitlistEntry& place);
  void TakeOffer(const reservation::WaitlistEntry& place, bool surely);
  void AskOfOffer(const reservation::WaitlistEntry& place, Operation::Kind kind);
  void JudgeJoin(const Ask& join, std::vector<std::string>& wrong) const;
  void JudgeLeave(const Ask& leave, std::vector<std::string>& wrong) const;
  void JudgeOrder(std::vector<std::string>& wrong) const;

  World& world_;
  Clients& clients_;
  std::vector<Ask> asks_;
  size_t offers_ = 0;
  int open_ = 0;
};

}  // namespace boxoffice::sim
