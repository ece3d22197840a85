#include "rehearsal/buyer.h"

#include <algorithm>
#include <utility>

#include "rehearsal/arrivals.h"
#include "rehearsal/response_scan.h"

namespace boxoffice::rehearsal {
namespace {

using std::chrono::nanoseconds;
using std::chrono::seconds;

constexpr seconds kAskPending{1};
constexpr seconds kFirstBackoff{1};
constexpr seconds kLongestBackoff{20};
constexpr seconds kLongestTold{60};
constexpr int kLongestPatience = 5;  // polls
constexpr int64_t kDefaultRefresh = 5;
constexpr int64_t kLongestRefresh = 60;

}  // namespace

std::string_view StepName(Step step) {
  constexpr std::string_view kNames[kSteps] = {"join", "poll", "seat map", "hold", "top up",
                                               "pay",  "ask",  "cancel",   "leave"};
  return kNames[static_cast<size_t>(step)];
}

std::string_view EndingName(Ending ending) {
  constexpr std::string_view kNames[kEndings] = {"bought",   "cancelled", "left_waiting", "left_holding",
                                                 "no_seats", "refused",   "gave_up"};
  return kNames[static_cast<size_t>(ending)];
}

bool IsServed(Ending ending) {
  return ending == Ending::kBought || ending == Ending::kCancelled || ending == Ending::kLeftHolding ||
         ending == Ending::kNoSeats;
}

bool IsOverload(const Told& told) { return told.status == 0 || told.status == 429 || told.status >= 500; }

bool IsGood(const Told& told) { return (told.status >= 200 && told.status < 300) || told.status == 304; }

Buyer::Buyer(const Behaviour& behaviour, int seat_limit, Random& random)
    : behaviour_(&behaviour),
      party_(1 + static_cast<int>(random.Below(
                     static_cast<uint64_t>(std::max(1, std::min(behaviour.party, seat_limit)))))),
      by_map_(Uniform(random) < behaviour.by_map),
      leaves_holding_(Uniform(random) < behaviour.leave_holding),
      cancels_(Uniform(random) < behaviour.cancel),
      patience_(Uniform(random) < behaviour.leave_waiting
                    ? 1 + static_cast<int>(random.Below(kLongestPatience))
                    : -1) {}

Buyer::Next Buyer::Do(Step step, nanoseconds after) {
  ++operation_;
  again_ = 0;
  return {{}, step, after};
}

Buyer::Next Buyer::End(Ending ending) { return {ending, Step::kJoin, {}}; }

Buyer::Next Buyer::Leave(Ending ending) {
  if (queue_token_.empty()) return End(ending);
  after_leaving_ = ending;
  return Do(Step::kLeave);
}

Buyer::Next Buyer::AskAgain(Step step, const Told& told, Random& random) {
  if (++again_ >= behaviour_->attempts) return End(step == Step::kLeave ? after_leaving_ : Ending::kGaveUp);
  // As pages of the web app do (web/src/api/pause.ts): twice as long each time, no sooner than he was told,
  // and up to twice that, or all would come at once.
  const nanoseconds backoff = std::min(kFirstBackoff * (1 << std::min(again_ - 1, 5)), kLongestBackoff);
  const nanoseconds least =
      std::min<nanoseconds>(std::max<nanoseconds>(backoff, seconds(told.retry_after_s)), kLongestTold);
  const uint64_t later = random.Below(static_cast<uint64_t>(least.count()));
  return {{}, step, least + nanoseconds(static_cast<int64_t>(later))};
}

Buyer::Next Buyer::Take(Step step, const Told& told, Random& random) {
  if (IsOverload(told)) return AskAgain(step, told, random);
  const bool good = IsGood(told);
  if (step == Step::kLeave) return End(after_leaving_);
  if (step == Step::kCancel)
    return End(bought_ && good ? Ending::kCancelled : bought_ ? Ending::kBought : Ending::kLeftHolding);
  if (!good) return Refused(step, told, random);
  switch (step) {
    case Step::kJoin:
    case Step::kPoll:
      return TakePlace(told, random);
    case Step::kSeatMap:
      return ChooseAnew(random, Ending::kGaveUp);  // the map could not be read: see Choose
    case Step::kHold:
      reservation_ = FindJsonText(told.body, "id");
      return told.status == 202 ? Do(Step::kAsk, kAskPending) : TakeHold(told, random);
    case Step::kTopUp:
      paying_ = true;
      return Do(Step::kPay);
    case Step::kPay:
      return told.status == 202 ? Do(Step::kAsk, kAskPending) : TakePaid(told, random);
    case Step::kAsk:
      return TakeReservation(told, random);
    default:
      return End(Ending::kRefused);
  }
}

Buyer::Next Buyer::TakePlace(const Told& told, Random& random) {
  queue_token_ = FindQueueToken(told.body);
  const std::string_view state = FindJsonText(told.body, "state");
  // Where the queue is OFF meanwhile, nobody is called any more, and nobody needs to be.
  if (state == "ACTIVE" || FindJsonText(told.body, "queue_state") == "OFF") return GoIn(random);
  if (state != "WAITING") return End(Ending::kRefused);  // COMPLETED or EXPIRED
  if (patience_ == 0) {
    if (random.Below(2) == 0) return End(Ending::kLeftWaiting);  // the browser is closed: nobody is told
    return Leave(Ending::kLeftWaiting);
  }
  if (patience_ > 0) --patience_;
  const int64_t refresh = std::clamp<int64_t>(
      FindJsonInteger(told.body, "refresh_interval_s", kDefaultRefresh), 1, kLongestRefresh);
  return Do(Step::kPoll, seconds(refresh));
}

Buyer::Next Buyer::GoIn(Random& random) {
  admitted_ = true;
  const nanoseconds thinking = Hesitation(behaviour_->think, random);
  return Do(by_map_ ? Step::kSeatMap : Step::kHold, thinking);
}

Buyer::Next Buyer::TakeHold(const Told& told, Random& random) {
  const std::string_view state = FindJsonText(told.body, "state");
  if (state != "HELD") return End(Ending::kRefused);
  amount_ = FindJsonInteger(told.body, "amount", 0);
  currency_ = FindJsonText(told.body, "currency");
  const nanoseconds thinking = Hesitation(behaviour_->think, random);
  if (leaves_holding_) {
    if (random.Below(2) == 0) return End(Ending::kLeftHolding);
    return Do(Step::kCancel, thinking);
  }
  if (behaviour_->top_up) return Do(Step::kTopUp, thinking);
  paying_ = true;
  return Do(Step::kPay, thinking);
}

Buyer::Next Buyer::TakePaid(const Told& told, Random& random) {
  if (FindJsonText(told.body, "state") != "CONFIRMED") return End(Ending::kRefused);
  bought_ = true;
  if (cancels_) return Do(Step::kCancel, Hesitation(behaviour_->think, random));
  return End(Ending::kBought);
}

Buyer::Next Buyer::TakeReservation(const Told& told, Random& random) {
  const std::string_view state = FindJsonText(told.body, "state");
  if (state == "CONFIRMED") return TakePaid(told, random);
  // While seats are being held for it, it is HELD without an end of that.
  const bool being_held = state == "HELD" && FindJsonText(told.body, "hold_expires_at").empty();
  if (state == "HELD" && !paying_ && !being_held) return TakeHold(told, random);
  if ((being_held && !paying_) || state == "CONFIRMING" || state == "COMPENSATING" || state == "CANCELLING") {
    if (++again_ >= behaviour_->attempts * 3) return End(Ending::kGaveUp);
    return {{}, Step::kAsk, kAskPending};
  }
  if (!paying_) {
    if (auto others = ChooseOthers(FindFailureCode(told.body), random)) return *std::move(others);
  }
  return End(Ending::kRefused);
}

std::optional<Buyer::Next> Buyer::ChooseOthers(std::string_view code, Random& random) {
  if (code == "seats_taken") return ChooseAnew(random);
  if (code != "not_enough_seats") return std::nullopt;
  if (party_ == 1) return Leave(Ending::kNoSeats);
  party_ = 1;  // better alone than not at all
  return ChooseAnew(random);
}

Buyer::Next Buyer::ChooseAnew(Random& random, Ending at_last) {
  seats_.clear();
  reservation_.clear();
  if (++choices_ >= behaviour_->attempts) return Leave(at_last);
  const nanoseconds thinking = Hesitation(behaviour_->think / 4, random);
  return Do(by_map_ ? Step::kSeatMap : Step::kHold, thinking);
}

Buyer::Next Buyer::Choose(std::vector<uint32_t> seats, Random&) {
  if (seats.empty()) return Leave(Ending::kNoSeats);
  seats_ = std::move(seats);
  return Do(Step::kHold);
}

Buyer::Next Buyer::Refused(Step step, const Told& told, Random& random) {
  const std::string_view code = FindJsonText(told.body, "code");
  if (code == "idempotency_key_running") return AskAgain(step, told, random);
  if (step == Step::kJoin && code == "queue_off") return GoIn(random);
  if (step == Step::kHold) {
    if (auto others = ChooseOthers(code, random)) return *std::move(others);
  }
  if (step == Step::kPay && code == "balance_too_low" && behaviour_->top_up &&
      ++choices_ < behaviour_->attempts)
    return Do(Step::kTopUp);
  if (admitted_) return Leave(Ending::kRefused);
  return End(Ending::kRefused);
}

std::optional<Ending> Buyer::SeeSoldOut() const {
  if (!reservation_.empty()) return std::nullopt;
  return Ending::kNoSeats;
}

}  // namespace boxoffice::rehearsal
