// Operators, who change a show while it is sold: seats that they block or keep for a channel, prices, until
// when it is sold, and how many seats a buyer may have. They write down what they were answered, and what is
// promised of that is judged by who took which seat when.
#pragma once

#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "sim/world.h"

namespace boxoffice::sim {

class Operators {
 public:
  explicit Operators(World& world) : world_(world) {}

  // So many of them, each asking one thing after the other, until Stop. Terms are changed where the show's
  // hold is one that the product lets it have.
  void Work(int operators);
  void Stop() { stopped_ = true; }
  // Everything is sold to everybody again; once all is quiet.
  void GiveAllBack();
  // What was not as they were answered, each in a line.
  [[nodiscard]] std::vector<std::string> Judge() const;
  // What they have asked to withhold from buyers, who may be refused it from then on.
  [[nodiscard]] std::vector<Operation> Withheld() const;
  // What they were answered with yes, besides what was given back.
  [[nodiscard]] size_t done() const;

 private:
  enum class Kind { kBlock, kUnblock, kAssign, kGiveBack, kPrice, kSaleEnd, kLimit };
  struct Act {
    Kind kind = Kind::kBlock;
    std::vector<uint32_t> seats;  // none: all
    int64_t value = 0;            // of a price, of a limit, and of a sale's end
    std::string channel;
    Timestamp until{};
    Timestamp invoked{};
    Timestamp answered{};  // the epoch: it may still be done, whenever that is
    bool done = false;
  };
  using Then = std::function<void()>;
  void Next();
  void ActByChance(const Then& then);
  [[nodiscard]] bool MayChangeTerms() const;
  void ChangePrices(const Then& then);
  void ChangeTerms(Kind kind, const Then& then);
  [[nodiscard]] static World::OperatorAsks TermsOf(const Act& act);
  // Asks once; `then` comes with the answer, or when there is none for long.
  void Ask(Act act, World::OperatorAsks asks, Then then);
  void Insist(const Act& act, const World::OperatorAsks& asks);
  [[nodiscard]] std::vector<uint32_t> SomeSeats();
  // From when to when it is certain that this holds of the seat.
  struct Span {
    Timestamp from{};
    Timestamp to{};
  };
  [[nodiscard]] Span CertainSpan(size_t index, uint32_t seat) const;
  [[nodiscard]] static bool Changes(const Act& one, const Act& other);
  void JudgeTake(const SeatTaken& take, std::vector<std::string>& wrong) const;
  void JudgeWhatIs(size_t index, std::vector<std::string>& wrong) const;

  World& world_;
  std::vector<Act> acts_;
  std::set<size_t> insisted_;
  bool stopped_ = false;
  std::vector<std::string> wrong_before_;  // all was given back
};

}  // namespace boxoffice::sim
