#include "rehearsal/on_sale.h"

#include <algorithm>
#include <queue>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/check.h"
#include "platform/http/gzip.h"
#include "rehearsal/interrupt.h"
#include "rehearsal/response_scan.h"
#include "rehearsal/seat_choice.h"

namespace boxoffice::rehearsal {
namespace {

using Time = SteadyClock::time_point;

// Requests of the rehearsal's own, which are no buyer's and are not counted.
constexpr uint64_t kWatchQueue = ~uint64_t{0};
constexpr uint64_t kWatchShow = ~uint64_t{1};
constexpr std::chrono::seconds kStallLimit{30};
constexpr std::chrono::milliseconds kMapLife{250};  // as the system has it
constexpr size_t kMaxMap = 16U << 20;

std::string FormEndpoint(const Endpoint& endpoint) {
  const bool v6 = endpoint.host.find(':') != std::string::npos;
  return fmt::format("{}{}{}:{}", v6 ? "[" : "", endpoint.host, v6 ? "]" : "", endpoint.port);
}

class Player {
 public:
  Player(const OnSaleOptions& options, std::vector<std::string> tokens,
         const std::function<void(const Second&)>& progress)
      : options_(options),
        tokens_(std::move(tokens)),
        progress_(progress),
        random_(options.seed),
        host_(FormEndpoint(options.gateways.front())),
        arrivals_(Arrivals(options.arrivals, random_)) {
    CHECK(tokens_.size() == arrivals_.size());
    CHECK(options.credited.empty() || options.credited.size() == tokens_.size());
  }

  OnSaleFigures Play(HttpLoad& load) {
    start_ = SteadyClock::now();
    people_.reserve(arrivals_.size());
    LoadPlan plan;
    plan.until = start_ + options_.limit;
    plan.stall_limit = kStallLimit;
    plan.request_limit = options_.request_limit;
    plan.due = [this] { return Due(); };
    plan.ask = [this](std::string& out, uint64_t& tag) { return Ask(out, tag); };
    plan.take = [this](const Answer& answer) { Take(answer); };
    plan.each_second = [this] { EndSecond(); };
    Watch();
    load.Run(plan);
    EndSecond();
    figures_.elapsed = SteadyClock::now() - start_;
    figures_.unfinished = people_.size() - Ended();
    return std::move(figures_);
  }

 private:
  // A hold or a payment that was answered 202: its outcome is asked for.
  struct Pending {
    Step step;
    Time since;  // its buyer has meant to ask for it
    bool judged = false;
  };
  struct Person {
    explicit Person(Buyer who) : buyer(std::move(who)) {}
    Buyer buyer;
    Step step = Step::kJoin;
    bool ended = false;
    bool admitted = false;
    bool confirmed = false;
    std::optional<Pending> pending;
  };
  struct Event {
    Time at;
    uint64_t tag;
    bool operator>(const Event& other) const { return at > other.at; }
  };

  [[nodiscard]] uint64_t Ended() const {
    uint64_t sum = 0;
    for (const uint64_t count : figures_.endings) sum += count;
    return sum;
  }

  // Whoever would come to a show that is sold out reads so, and stays away.
  [[nodiscard]] bool MoreArrive() const { return !sold_out_ && people_.size() < arrivals_.size(); }
  [[nodiscard]] Time NextArrival() const {
    return MoreArrive() ? start_ + arrivals_[people_.size()] : Time::max();
  }
  [[nodiscard]] Time Due() const {
    if (figures_.cancelled_s) return Time::max();
    return events_.empty() ? NextArrival() : std::min(NextArrival(), events_.top().at);
  }

  void Arrive() {
    people_.emplace_back(Buyer(options_.behaviour, options_.seat_limit, random_));
    ++figures_.arrived;
  }

  bool Ask(std::string& out, uint64_t& tag) {
    if (MoreArrive() && (events_.empty() || NextArrival() <= events_.top().at)) {
      Arrive();
      tag = people_.size() - 1;
    } else {
      if (events_.empty()) return false;
      tag = events_.top().tag;
      events_.pop();
    }
    if (tag == kWatchQueue) {
      AppendRequest(out, "GET", fmt::format("/v1/admin/shows/{}/queue", options_.show), options_.operator_jwt,
                    "", "", host_);
    } else if (tag == kWatchShow) {
      AppendRequest(out, "GET", fmt::format("/v1/shows/{}", options_.show), "", "", "", host_);
    } else {
      AppendStep(out, tag);
    }
    return true;
  }

  // What the buyer asks for now.
  void AppendStep(std::string& out, uint64_t tag) {
    const Person& person = people_[tag];
    const Buyer& buyer = person.buyer;
    const std::string& jwt = tokens_[tag];
    const std::string queue =  // a show whose queue is OFF gives no token
        buyer.queue_token().empty() ? "" : fmt::format("X-Queue-Token: {}\r\n", buyer.queue_token());
    const std::string key =
        fmt::format("Idempotency-Key: {}-{}-{}\r\n", options_.run, tag, buyer.operation());
    const std::string reservation = fmt::format("/v1/reservations/{}", buyer.reservation());
    switch (person.step) {
      case Step::kJoin:
        return AppendRequest(out, "POST", fmt::format("/v1/shows/{}/queue", options_.show), jwt, "", "",
                             host_);
      case Step::kPoll:
        return AppendRequest(out, "GET", "/v1/queue", jwt, queue, "", host_);
      case Step::kSeatMap:
        return AppendSeatMap(out, jwt);
      case Step::kHold:
        return AppendRequest(out, "POST", "/v1/reservations", jwt, queue + key, HoldBody(buyer), host_);
      case Step::kTopUp:
        return AppendTopUp(out, tag, key);
      case Step::kPay:
        return AppendRequest(out, "POST", reservation + "/confirm", jwt, queue + key, "", host_);
      case Step::kAsk:
        return AppendRequest(out, "GET", reservation, jwt, "", "", host_);
      case Step::kCancel:
        return AppendRequest(out, "POST", reservation + "/cancel", jwt, key, "", host_);
      case Step::kLeave:
        return AppendRequest(out, "DELETE", "/v1/queue", jwt, queue, "", host_);
    }
  }
  // As a browser asks for it.
  void AppendSeatMap(std::string& out, const std::string& jwt) const {
    std::string headers = "Accept-Encoding: gzip\r\n";
    if (!map_tag_.empty()) headers += fmt::format("If-None-Match: {}\r\n", map_tag_);
    AppendRequest(out, "GET", fmt::format("/v1/shows/{}/seat-map", options_.show), jwt, headers, "", host_);
  }
  void AppendTopUp(std::string& out, uint64_t tag, const std::string& key) const {
    const Buyer& buyer = people_[tag].buyer;
    const std::string money = fmt::format(R"("amount":{},"currency":"{}")", buyer.amount(), buyer.currency());
    if (options_.credited.empty())
      return AppendRequest(out, "POST", "/v1/wallet/charges", tokens_[tag], key, "{" + money + "}", host_);
    AppendRequest(out, "POST", fmt::format("/v1/admin/wallets/{}/adjustments", options_.credited[tag]),
                  options_.operator_jwt, key, "{" + money + R"(,"reason":"rehearsal"})", host_);
  }
  [[nodiscard]] std::string HoldBody(const Buyer& buyer) const {
    if (buyer.seats().empty())
      return fmt::format(R"({{"show_id":"{}","best_available":{{"count":{}}}}})", options_.show,
                         buyer.party());
    return fmt::format(R"({{"show_id":"{}","seats":[{}]}})", options_.show, fmt::join(buyer.seats(), ","));
  }

  void Take(const Answer& answer) {
    if (answer.status == 0 && Interrupted()) return;  // cut off by us, not by the system
    if (answer.tag == kWatchQueue) return TakeQueue(answer);
    if (answer.tag == kWatchShow) return TakeShow(answer);
    Person& person = people_[answer.tag];
    const Told told{answer.status, answer.body, answer.retry_after_s};
    Count(person, answer, told);
    const Step step = person.step;
    Buyer::Next next = person.buyer.Take(step, told, random_);
    if (step == Step::kSeatMap && IsGood(told)) {
      if (ReadMap(answer)) {
        next = person.buyer.Choose(map_.Choose(static_cast<size_t>(person.buyer.party()), random_), random_);
      } else {
        CountNo(step, "answer_malformed", answer.status);
      }
    }
    CountOutcome(person, told, next);
    if (person.buyer.admitted() && !std::exchange(person.admitted, true)) ++figures_.admitted;
    if (next.ending) return End(answer.tag, *next.ending);
    if (sold_out_ && (next.step == Step::kPoll || next.step == Step::kSeatMap || next.step == Step::kHold ||
                      next.step == Step::kJoin)) {
      if (const auto ending = person.buyer.SeeSoldOut()) return End(answer.tag, *ending);
    }
    person.step = next.step;
    events_.push({SteadyClock::now() + next.after, answer.tag});
  }

  // All who ask within a moment are sent the same map, which is read once. False: it is no map.
  bool ReadMap(const Answer& answer) {
    const Time now = SteadyClock::now();
    if (answer.status == 304 || now < map_read_ + kMapLife) return true;
    const std::string text = http::Gunzip(answer.body, kMaxMap);  // empty: a small one comes as it is
    if (!map_.Read(text.empty() ? answer.body : text)) return false;
    map_tag_ = answer.etag;
    map_read_ = now;
    return true;
  }

  void Count(Person& person, const Answer& answer, const Told& told) {
    StepFigures& figures = figures_.steps[static_cast<size_t>(person.step)];
    figures_.behind.Record(answer.waited);
    ++figures.asked;
    ++second_.answered;
    if (IsOverload(told)) {
      ++figures.overloaded;
      ++second_.overloaded;
    }
    const bool judged = person.step == Step::kHold || person.step == Step::kPay;
    if (judged && told.status == 202) {
      person.pending = Pending{person.step, SteadyClock::now() - answer.latency};
    } else {
      if (!IsOverload(told)) figures.latency.Record(answer.latency);
      if (judged) Judge(answer.latency);
    }
    if (!IsGood(told))
      return CountNo(person.step, answer.status == 0 ? "no_answer" : FindJsonText(answer.body, "code"),
                     answer.status);
    const bool may_confirm = person.step == Step::kPay || person.step == Step::kAsk;
    if (may_confirm && FindJsonText(answer.body, "state") == "CONFIRMED" &&
        !std::exchange(person.confirmed, true)) {
      ++figures_.confirmed;
      ++second_.confirmed;
      figures_.seats_bought += SeatsOf(person.buyer);
    }
    if (person.step == Step::kCancel && person.confirmed) figures_.seats_cancelled += SeatsOf(person.buyer);
  }
  void Judge(std::chrono::nanoseconds latency) {
    ++second_.judged;
    if (latency > options_.slow_after) ++second_.slow;
  }
  void CountNo(Step step, std::string_view code, int status) {
    std::string name = fmt::format("{} {}", StepName(step), code);
    if (code.empty()) name += fmt::format("http_{}", status);
    const bool expected = code == "seats_taken" || code == "not_enough_seats" ||
                          code == "idempotency_key_running" || code == "queue_off";
    ++(expected ? figures_.refusals : figures_.errors)[name];
  }
  // A no that was told by an answer which is good as such, and what became of a 202.
  void CountOutcome(Person& person, const Told& told, const Buyer::Next& next) {
    const bool asks = person.step == Step::kAsk && person.pending;
    const Step step = asks ? person.pending->step : person.step;
    const bool gave_up = next.ending == Ending::kGaveUp;
    const bool over = next.ending || next.step != Step::kAsk;
    const bool failed = asks && over && !FindFailureCode(told.body).empty();
    const bool counts = step != Step::kLeave && step != Step::kSeatMap;  // a map that is none was counted
    if (IsGood(told) && counts && (gave_up || failed || next.ending == Ending::kRefused))
      CountNo(step, gave_up ? "not_settled" : WhyNot(told.body), told.status);
    if (!asks) return;
    const auto latency = SteadyClock::now() - person.pending->since;
    // What is late already is told at once: until it is over, the buyers who wait for theirs become many.
    if ((over || latency > options_.slow_after) && !std::exchange(person.pending->judged, true))
      Judge(latency);
    if (!over) return;
    if (!gave_up) figures_.steps[static_cast<size_t>(step)].latency.Record(latency);
    person.pending.reset();
  }
  // The code of a reservation's failure, else the state in which it, or a place in the queue, is.
  static std::string_view WhyNot(std::string_view body) {
    const std::string_view code = FindFailureCode(body);
    return code.empty() ? FindJsonText(body, "state") : code;
  }
  static uint64_t SeatsOf(const Buyer& buyer) {
    return buyer.seats().empty() ? static_cast<uint64_t>(buyer.party()) : buyer.seats().size();
  }

  void End(uint64_t tag, Ending ending) {
    Person& person = people_[tag];
    person.ended = true;
    ++figures_.endings[static_cast<size_t>(ending)];
    if (person.admitted && IsServed(ending)) ++second_.served;
    tokens_[tag] = {};
  }

  // Asks the system once a second, while there are buyers; before all of them, however many wait for a
  // connection.
  void Watch() {
    events_.push({start_, kWatchShow});
    if (!options_.operator_jwt.empty()) events_.push({start_, kWatchQueue});
  }
  void TakeQueue(const Answer& answer) {
    if (answer.status != 200) {
      figures_.watch_failure = answer.status == 0
                                   ? "no answer"
                                   : fmt::format("{} {}", answer.status, FindJsonText(answer.body, "code"));
      return;
    }
    second_.waiting = FindJsonInteger(answer.body, "waiting", -1);
    second_.active = FindJsonInteger(answer.body, "active", -1);
    second_.admitted = FindJsonInteger(answer.body, "admitted", -1);
    second_.active_cap = FindJsonInteger(answer.body, "active_cap", 0);
    second_.rate_per_s = FindJsonNumber(answer.body, "rate_per_s", 0);
    second_.open = FindJsonText(answer.body, "state") == "OPEN";
  }
  void TakeShow(const Answer& answer) {
    if (answer.status != 200) return;
    second_.free = FindJsonInteger(answer.body, "free", -1);
    second_.held = FindJsonInteger(answer.body, "held", -1);
    second_.sold = FindJsonInteger(answer.body, "sold", -1);
    figures_.kept_for_channels = FindJsonInteger(answer.body, "kept_for_channels", 0);
    if (FindJsonText(answer.body, "state") == "CANCELLED" && !figures_.cancelled_s)
      figures_.cancelled_s = Seconds();
    if (second_.free == 0 && !figures_.none_free_s) figures_.none_free_s = Seconds();
    if (second_.free != 0 || second_.held != 0 || figures_.kept_for_channels != 0 || sold_out_) return;
    sold_out_ = true;
    figures_.sold_out_s = Seconds();
  }
  [[nodiscard]] double Seconds() const {
    return std::chrono::duration<double>(SteadyClock::now() - start_).count();
  }

  void EndSecond() {
    second_.at_s = Seconds();
    second_.arrived = figures_.arrived;
    second_.ended = Ended();
    figures_.seconds.push_back(second_);
    if (progress_) progress_(second_);
    Second next;
    if (options_.operator_jwt.empty()) next.open = false;
    second_ = next;
    const bool anybody = MoreArrive() || Ended() < people_.size();
    if (anybody && SteadyClock::now() < start_ + options_.limit) Watch();
  }

  const OnSaleOptions& options_;
  std::vector<std::string> tokens_;
  const std::function<void(const Second&)>& progress_;
  SeededRandom random_;
  const std::string host_;
  const std::vector<std::chrono::nanoseconds> arrivals_;
  Time start_;
  std::vector<Person> people_;
  std::priority_queue<Event, std::vector<Event>, std::greater<>> events_;
  SeatMap map_;
  std::string map_tag_;
  Time map_read_{};
  bool sold_out_ = false;
  Second second_;
  OnSaleFigures figures_;
};

}  // namespace

uint64_t OnSaleFigures::Requests() const {
  uint64_t sum = 0;
  for (const StepFigures& step : steps) sum += step.asked;
  return sum;
}

uint64_t OnSaleFigures::ErrorCount() const {
  uint64_t sum = 0;
  for (const auto& [code, count] : errors) sum += count;
  return sum;
}

Result<OnSaleFigures> PlayOnSale(const OnSaleOptions& options, std::vector<std::string> tokens,
                                 const std::function<void(const Second&)>& progress) {
  BOXOFFICE_ASSIGN(const auto load, HttpLoad::Connect(options.gateways, options.connections));
  return Player(options, std::move(tokens), progress).Play(*load);
}

}  // namespace boxoffice::rehearsal
