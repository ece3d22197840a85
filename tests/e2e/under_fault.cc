#include "e2e/under_fault.h"

#include <algorithm>
#include <iostream>
#include <mutex>
#include <set>
#include <thread>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "testing/kafka_broker.h"

namespace boxoffice::e2e {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr seconds kFrozenFor{20};
constexpr seconds kKilledFor{3};       // at least: one that is killed is back in less
constexpr milliseconds kBetween{250};  // two questions on one route
constexpr int kCrowd = 80;             // as many as ask in that time, on a route where everybody asks once
constexpr seconds kSlowMachine{4};     // beyond what the gateway's own time-outs allow
constexpr seconds kQueryLimit{2};      // gateway/README.md
constexpr seconds kSagaLimit{10};
constexpr seconds kBackWithin{30};  // the queue's lease or a breaker's open time, and a slow machine
constexpr seconds kSagasEnd{120};   // their deadline is a minute, and what is undone then takes its time
constexpr seconds kEventsArrive{60};

bool IsDone(const Reply& reply) { return reply.status == 200 || reply.status == 201; }

bool MayWait(const Reply& reply) {
  return reply.status == 202 || (reply.status == 503 && !reply.header("Retry-After").empty());
}

milliseconds LimitOf(std::string_view route) {
  const bool is_saga = route == "hold" || route == "confirm";
  return milliseconds(is_saga ? kSagaLimit : kQueryLimit) + milliseconds(kSlowMachine);
}

}  // namespace

std::unique_ptr<System> UnderFault::system_;
std::string UnderFault::show_;
int UnderFault::tests_ = 0;

// Buyers, each in the place that a route needs, and used up one after the other.
struct UnderFault::Crowd {
  Crowd(const System& system, const std::string& show, uint16_t gateway, int test)
      : show_id(show), regular(gateway, Name(test, "regular", 0), system.Token(Name(test, "regular", 0))) {
    for (int i = 0; i < kCrowd; ++i) {
      for (const auto& [kind, buyers] : {std::pair("new", &fresh), {"in", &admitted}, {"holds", &holders}}) {
        const std::string user = Name(test, kind, i);
        buyers->push_back(std::make_unique<Buyer>(gateway, user, system.Token(user)));
      }
    }
  }
  static std::string Name(int test, std::string_view kind, int number) {
    return fmt::format("test{}-{}-{}", test, kind, number);
  }

  void ComeIn() {
    ASSERT_TRUE(regular.Enter(show_id));
    ASSERT_EQ(regular.Charge(1'000).status, 201);
    for (const auto& buyer : admitted) {
      ASSERT_TRUE(buyer->Enter(show_id));
    }
    for (const auto& buyer : holders) {
      ASSERT_TRUE(buyer->Enter(show_id));
      ASSERT_EQ(buyer->Charge(1'000).status, 201);
      const Reply held = buyer->Reserve(show_id, R"("best_available":{"count":1})");
      ASSERT_EQ(held.status, 201) << held;
      held_ids.push_back(held.at("id"));
    }
    // Once before, as others have asked before them.
    ASSERT_EQ(regular.Call("GET", "/v1/rankings").status, 200);
    ASSERT_EQ(regular.Call("GET", fmt::format("/v1/shows/{}/seats", show_id)).status, 200);
  }

  const std::string show_id;
  Buyer regular;
  std::vector<std::unique_ptr<Buyer>> fresh;              // have not joined
  std::vector<std::unique_ptr<Buyer>> admitted;           // are in, and have nothing yet
  std::vector<std::unique_ptr<Buyer>> holders;            // hold a seat, and have money
  std::vector<std::string> held_ids;                      // of the holders
  std::vector<std::pair<Buyer*, std::string>> confirmed;  // who was told so
};

UnderFault::UnderFault() = default;
UnderFault::~UnderFault() = default;

std::string UnderFault::NameOf(const ::testing::TestParamInfo<Fault>& info) {
  return info.param == Fault::kFrozen ? "Frozen" : "Killed";
}

void UnderFault::SetUpTestSuite() {
  if (!testbed::KafkaBroker::Installed()) return;  // SetUp says so
  system_ = std::make_unique<System>(std::vector<std::string>{"--no-seed"}, Form::kScaled);
  if (system_->ready()) show_ = system_->CreateShow({.rows = 100, .seats_per_row = 500});
}

void UnderFault::TearDownTestSuite() { system_.reset(); }

void UnderFault::SetUp() {
  BOXOFFICE_NEED_KAFKA();
  ASSERT_TRUE(system_->ready());
  ++tests_;
}

void UnderFault::TearDown() {
  load_.reset();
  crowd_.reset();
}

std::map<std::string, UnderFault::Probe> UnderFault::Probes(uint16_t gateway) {
  // Each has a connection of its own, as each runs on a thread of its own.
  const auto regular = [this, gateway] {
    auto buyer =
        std::make_shared<Buyer>(gateway, crowd_->regular.user(), system_->Token(crowd_->regular.user()));
    buyer->set_queue_token(crowd_->regular.queue_token());
    return buyer;
  };
  const auto get = [&regular](const std::string& path) -> Probe {
    return [buyer = regular(), path] { return buyer->Call("GET", path); };
  };
  const auto next = [](const auto& buyers) {
    return [&buyers, turn = std::make_shared<size_t>(0)]() -> Buyer* {
      return *turn < buyers.size() ? buyers[(*turn)++].get() : nullptr;
    };
  };
  Crowd& crowd = *crowd_;
  std::map<std::string, Probe> probes;
  probes["map"] = get(fmt::format("/v1/shows/{}/seats", show_));
  probes["wallet"] = get("/v1/wallet");
  probes["reservations"] = get("/v1/reservations");
  probes["ranking"] = get("/v1/rankings");
  probes["poll"] = get("/v1/queue");
  probes["charge"] = [buyer = regular()] { return buyer->Charge(1); };
  probes["join"] = [this, next_buyer = next(crowd.fresh)]() -> std::optional<Reply> {
    Buyer* buyer = next_buyer();
    if (buyer == nullptr) return std::nullopt;
    return buyer->Join(show_);
  };
  probes["hold"] = [this, next_buyer = next(crowd.admitted)]() -> std::optional<Reply> {
    Buyer* buyer = next_buyer();
    if (buyer == nullptr) return std::nullopt;
    return buyer->Reserve(show_, R"("best_available":{"count":1})");
  };
  probes["confirm"] = [&crowd, next_buyer = next(crowd.holders),
                       turn = std::make_shared<size_t>(0)]() -> std::optional<Reply> {
    Buyer* buyer = next_buyer();
    if (buyer == nullptr) return std::nullopt;
    const std::string& id = crowd.held_ids[(*turn)++];
    Reply reply = buyer->Confirm(id);
    if (reply.at("state") == "CONFIRMED") crowd.confirmed.emplace_back(buyer, id);
    return reply;
  };
  return probes;
}

Answers UnderFault::AskWhile(const std::vector<std::string>& down) {
  std::vector<Part> parts;
  for (const std::string& name : down) {
    const std::vector<Part> of_it = PartsOf(*system_, name);
    EXPECT_FALSE(of_it.empty()) << name;
    parts.insert(parts.end(), of_it.begin(), of_it.end());
  }
  return AskWhile(parts);
}

Answers UnderFault::AskWhile(const std::vector<Part>& down, std::optional<uint16_t> only) {
  const uint16_t gateway = only.value_or(system_->port());
  crowd_ = std::make_unique<Crowd>(*system_, show_, gateway, tests_);
  Answers answers;
  crowd_->ComeIn();
  if (HasFatalFailure() || down.empty()) return answers;
  load_ = std::make_unique<Load>(*system_, show_,
                                 LoadOptions{.name = fmt::format("load{}-", tests_),
                                             .clients = 4,
                                             .seed = static_cast<uint64_t>(tests_) * 100,
                                             .pause = milliseconds(20),
                                             .gateway = only.value_or(0)});
  std::this_thread::sleep_for(seconds(1));
  std::optional<Frozen> frozen;
  if (IsFrozen()) {
    frozen.emplace(down);
  } else {
    Kill9(down);
  }
  std::atomic<bool> over = false;
  std::mutex mutex;
  std::vector<std::thread> askers;
  for (auto& [route, probe] : Probes(gateway)) {
    askers.emplace_back([&, route, probe = std::move(probe)] {
      while (!over) {
        const auto begin = SteadyClock::now();
        std::optional<Reply> reply = probe();
        if (!reply) return;
        const auto took = std::chrono::duration_cast<milliseconds>(SteadyClock::now() - begin);
        {
          const std::scoped_lock lock(mutex);
          answers[route].push_back({*std::move(reply), took});
        }
        std::this_thread::sleep_for(kBetween);
      }
    });
  }
  if (IsFrozen()) {
    std::this_thread::sleep_for(kFrozenFor);
  } else {
    std::this_thread::sleep_for(kKilledFor);
    EXPECT_TRUE(AwaitRestart(*system_, down)) << "it was not started again: " << system_->Log();
  }
  over = true;
  // What is under way is answered while it is still down.
  for (std::thread& asker : askers) asker.join();
  for (const auto& [route, heard] : answers) {
    std::map<std::string, int> counts;
    milliseconds slowest{0};
    for (const Heard& one : heard) {
      ++counts[fmt::format("{} {}", one.reply.status, one.reply.status == 503 ? one.reply.at("code") : "")];
      slowest = std::max(slowest, one.took);
    }
    std::cout << fmt::format("  {}: {}; slowest {}\n", route, fmt::join(counts, ", "), slowest.count());
  }
  return answers;
}

void UnderFault::ExpectGoOn(const Answers& answers, const std::vector<std::string>& routes) {
  for (const std::string& route : routes) {
    const auto heard = answers.find(route);
    ASSERT_NE(heard, answers.end()) << route;
    for (const Heard& one : heard->second) {
      EXPECT_TRUE(IsDone(one.reply)) << route << " does not go on: " << one.reply;
      EXPECT_LT(one.took, LimitOf(route)) << route;
    }
  }
}

void UnderFault::ExpectAllGoOn(const Answers& answers) {
  ExpectGoOn(answers,
             {"join", "poll", "map", "hold", "confirm", "wallet", "charge", "reservations", "ranking"});
}

void UnderFault::ExpectWait(const Answers& answers, const std::vector<std::string>& routes) {
  for (const std::string& route : routes) {
    const auto heard = answers.find(route);
    ASSERT_NE(heard, answers.end()) << route;
    bool waits = false;
    for (const Heard& one : heard->second) {
      waits |= MayWait(one.reply);
      // What is frozen answers nothing; what was killed comes back.
      EXPECT_TRUE(MayWait(one.reply) || (!IsFrozen() && IsDone(one.reply))) << route << ": " << one.reply;
      EXPECT_LT(one.took, LimitOf(route)) << route;
    }
    EXPECT_TRUE(waits || !IsFrozen()) << route << " did not meet the fault";
  }
}

void UnderFault::ExpectServesAgain() {
  const auto begin = SteadyClock::now();
  const std::string user = Crowd::Name(tests_, "late", 0);
  Buyer buyer(system_->port(), user, system_->Token(user));
  Reply last;
  const auto becomes_done = [&](const std::function<Reply()>& ask) {
    return Eventually(
        [&] {
          last = ask();
          return IsDone(last);
        },
        kBackWithin);
  };
  const std::string reservation = NewKey();
  const std::string confirmation = NewKey();
  ASSERT_TRUE(becomes_done([&] { return buyer.Join(show_); })) << last;
  ASSERT_TRUE(buyer.Enter(show_));
  ASSERT_TRUE(becomes_done([&] { return buyer.Charge(1'000); })) << last;
  ASSERT_TRUE(becomes_done([&] {
    return buyer.Reserve(show_, R"("best_available":{"count":1})", reservation);
  })) << last;
  const std::string id = last.at("id");
  ASSERT_TRUE(becomes_done([&] { return buyer.Confirm(id, {}, confirmation); })) << last;
  EXPECT_EQ(last.at("state"), "CONFIRMED") << last;
  std::cout << fmt::format("  serves again after {}\n",
                           std::chrono::duration_cast<milliseconds>(SteadyClock::now() - begin).count());
}

void UnderFault::ExpectCatchesUp() {
  ASSERT_NE(load_, nullptr);
  ExpectServesAgain();
  load_->Stop();
  const auto sagas = [](const std::string& status) {
    const Reply list = system_->Admin("GET", "/v1/admin/sagas?limit=200&status=" + status);
    return list.status == 200 && list.at("items") == "[]";
  };
  EXPECT_TRUE(Eventually([&] { return sagas("running"); }, kSagasEnd))
      << system_->Admin("GET", "/v1/admin/sagas?limit=3&status=running");
  EXPECT_TRUE(Eventually([&] { return sagas("parked"); }));
  EXPECT_TRUE(
      Eventually([&] { return AllIsPublished(system_->Admin("GET", "/v1/admin/outbox")); }, kEventsArrive))
      << system_->Admin("GET", "/v1/admin/outbox");
  for (const char* consumer : {"ranking", "relay"}) {
    EXPECT_TRUE(
        Eventually([&] { return SumOf(*system_, consumer, "boxoffice_bus_lag") == 0; }, kEventsArrive))
        << consumer << " lags by " << SumOf(*system_, consumer, "boxoffice_bus_lag");
  }
  EXPECT_TRUE(Eventually(
      [&] {
        load_->AskAgain();
        return load_->in_doubt() == 0;
      },
      kEventsArrive))
      << load_->in_doubt() << " requests still have no answer";
  for (const std::string& complaint : load_->complaints()) ADD_FAILURE() << "a buyer saw " << complaint;
  load_->ExpectNothingLost();
  for (const auto& [buyer, id] : crowd_->confirmed) {
    EXPECT_EQ(buyer->Get(id).at("state"), "CONFIRMED") << "as " << buyer->user() << " was told";
  }
  system_->ExpectCleanAudit();
}

}  // namespace boxoffice::e2e
