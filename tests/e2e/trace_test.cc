// One sale is one trace, from the browser to the webhook, as a collector gets it; what is kept where nothing
// is sampled; and a collector that is no use.
#include <algorithm>
#include <charconv>
#include <csignal>
#include <map>
#include <optional>
#include <set>

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "e2e/platform.h"
#include "e2e/system.h"
#include "platform/otlp/collector_for_test.h"

namespace boxoffice::e2e {
namespace {

using otlp::Seen;
using ::testing::Contains;
using ::testing::IsEmpty;
using ::testing::IsSupersetOf;
using SteadyClock = std::chrono::steady_clock;

constexpr std::string_view kBrowserSpan = "00f067aa0ba902b7";
constexpr std::string_view kReserve = "boxoffice.reservation.v1.ReservationService/Reserve";
constexpr int kTries = 3;

// The spans of one trace, by their ids.
class Tree {
 public:
  explicit Tree(std::vector<Seen> spans) : spans_(std::move(spans)) {
    for (const Seen& span : spans_) EXPECT_TRUE(by_id_.emplace(span.id, &span).second) << span.name;
  }
  [[nodiscard]] const std::vector<Seen>& spans() const { return spans_; }
  [[nodiscard]] const Seen* ParentOf(const Seen& span) const {
    const auto found = by_id_.find(span.parent);
    return found == by_id_.end() ? nullptr : found->second;
  }
  // "service name" of each.
  [[nodiscard]] std::set<std::string> Names() const {
    std::set<std::string> names;
    for (const Seen& span : spans_) names.insert(NameOf(span));
    return names;
  }
  static std::string NameOf(const Seen& span) { return span.service() + " " + span.name; }
  // The names from the span up to the one that the browser's is the parent of; with what is wrong instead at
  // the end.
  [[nodiscard]] std::vector<std::string> PathOf(const Seen& span) const {
    std::vector<std::string> path;
    for (const Seen* at = &span; path.size() < 50; at = ParentOf(*at)) {
      if (at == nullptr) {
        path.emplace_back("AN ORPHAN");
        return path;
      }
      path.push_back(NameOf(*at));
      if (at->parent == kBrowserSpan) return path;
    }
    path.emplace_back("A CIRCLE");
    return path;
  }
  [[nodiscard]] std::vector<const Seen*> Named(const std::string& name) const {
    std::vector<const Seen*> found;
    for (const Seen& span : spans_) {
      if (NameOf(span) == name) found.push_back(&span);
    }
    return found;
  }

 private:
  const std::vector<Seen> spans_;
  std::map<std::string, const Seen*> by_id_;
};

// The saga's steps, whom each calls, and by what.
struct CallOfAStep {
  std::string step;
  std::string service;
  std::string method;
};
const std::vector<CallOfAStep>& CallsOfASale() {
  static const std::vector<CallOfAStep> calls = {
      {"verify-queue", "queue", "boxoffice.queue.v1.QueueService/Bind"},
      {"hold-seats", "seat", "boxoffice.seat.v1.SeatService/HoldSeats"},
      {"debit-wallet", "wallet", "boxoffice.wallet.v1.WalletService/Debit"},
      {"approve-payment", "payment", "boxoffice.payment.v1.PaymentService/ApprovePayment"},
      {"confirm-seats", "seat", "boxoffice.seat.v1.SeatService/ConfirmSeats"}};
  return calls;
}

// What a sale comes to, whoever else does something in it.
const std::set<std::string>& NamesOfASale() {
  static const std::set<std::string> names = [] {
    std::set<std::string> all{"gateway POST /v1/reservations",
                              "reservation saga one_shot",
                              "reservation reservation command",
                              "reservation send reservation",
                              "ranking process reservation",
                              "ranking process seat",
                              "relay POST"};
    for (const char* topic : {"reservation", "seat", "wallet", "payment"})
      all.insert(fmt::format("relay process {}", topic));
    for (const char* service : {"seat", "wallet", "payment"})
      all.insert(fmt::format("{0} send {0}", service));
    for (const char* step :
         {"verify-queue", "hold-seats", "debit-wallet", "approve-payment", "confirm-seats"})
      all.insert(fmt::format("reservation {}", step));
    for (const char* who : {"gateway", "reservation"}) all.insert(fmt::format("{} {}", who, kReserve));
    for (const auto& [step, service, method] : CallsOfASale()) {
      all.insert(fmt::format("{} {}", service, method));
      all.insert(fmt::format("reservation {}", method));
    }
    return all;
  }();
  return names;
}

class Trace : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    collector_ = new otlp::Collector();
    platform_ = new Platform();
    system_ = new System({"--no-seed", "--target-allow-networks", "127.0.0.1", "--trace-endpoint",
                          collector_->endpoint(), "--trace-sample-ratio", "0", "--trace-slow-ms", "600000",
                          "--trace-interval-ms", "100", "--trace-queue-size", "600"});
    if (!system_->ready()) return;
    show_ = new std::string(system_->CreateShow({.rows = 20}));
    const Reply target = system_->Admin(
        "POST", "/v1/admin/relay/targets",
        fmt::format(R"({{"url":"{}","event_types":["reservation.confirmed"]}})", platform_->url()));
    EXPECT_EQ(target.status, 201) << target;
  }
  static void TearDownTestSuite() {
    delete system_;
    delete show_;
    delete platform_;
    delete collector_;
  }
  void SetUp() override { ASSERT_TRUE(system_->ready()); }

  static std::string NewTrace() {
    static int next = 0;
    return fmt::format("4bf92f3577b34da6a3ce929d{:08x}", ++next);
  }
  static http::HeaderList Headers(const std::string& trace, bool sampled) {
    return {{"traceparent", fmt::format("00-{}-{}-0{}", trace, kBrowserSpan, sampled ? 1 : 0)},
            {"Idempotency-Key", NewKey()}};
  }
  // One seat, bought by somebody new whose browser is traced.
  static Reply Sell(const std::string& trace, bool sampled, const std::string& method = "internal") {
    Buyer buyer(*system_, "traced-" + trace);
    EXPECT_TRUE(buyer.Enter(*show_));
    EXPECT_EQ(buyer.Charge(10'000).status, 201);
    return buyer.Call(
        "POST", "/v1/reservations",
        fmt::format(R"({{"show_id":"{}","best_available":{{"count":1}},"pay":true,"payment_method":"{}"}})",
                    *show_, method),
        Headers(trace, sampled));
  }
  // Whether all of a sale is there: each process sends its own in its own time.
  static bool IsWhole(const Tree& tree) {
    const auto has_command = [&](const CallOfAStep& call) {
      const auto served = tree.Named(call.service + " " + call.method);
      const auto commands = tree.Named(fmt::format("{0} {0} command", call.service));
      return std::ranges::all_of(served, [&](const Seen* one) {
        return std::ranges::any_of(commands, [&](const Seen* command) { return command->parent == one->id; });
      });
    };
    return std::ranges::includes(tree.Names(), NamesOfASale()) &&
           std::ranges::all_of(CallsOfASale(), has_command) &&
           tree.Named("reservation reservation command").size() >= 2 &&
           std::ranges::none_of(tree.spans(), [&](const Seen& span) {
             return span.parent != kBrowserSpan && tree.ParentOf(span) == nullptr;
           });
  }
  // The sale's spans once it is whole, or after a minute.
  static std::vector<Seen> AwaitSale(const std::string& trace) {
    Eventually([&] { return IsWhole(Tree(collector_->OfTrace(trace))); }, seconds(60));
    return collector_->OfTrace(trace);
  }
  // A sale's trace and spans. On a busy machine a step may have to be asked again, or the buyer has to: that
  // is another tree, and the next sale is taken, the third at last.
  static std::pair<std::string, std::vector<Seen>> SellAtOnce() {
    std::pair<std::string, std::vector<Seen>> sale;
    for (int tries = 0; tries < kTries; ++tries) {
      sale.first = NewTrace();
      sale.second.clear();
      const Reply sold = Sell(sale.first, /*sampled=*/true);
      EXPECT_THAT(sold.status, ::testing::AnyOf(201, 202, 503)) << sold;
      if (sold.status != 201) continue;
      sale.second = AwaitSale(sale.first);
      if (std::ranges::none_of(sale.second, &Seen::failed)) break;
    }
    return sale;
  }
  // The span of the batch that served a command: they link to each other, across two traces.
  static void ExpectBatch(const Seen& command, const std::string& service) {
    ASSERT_EQ(command.links.size(), 1U) << command.name;
    const auto [trace, id] = *command.links.begin();
    std::vector<Seen> batch;
    Eventually([&, trace = trace] { return !(batch = collector_->OfTrace(trace)).empty(); }, seconds(30));
    ASSERT_EQ(batch.size(), 1U) << "no batch of " << command.name;
    EXPECT_EQ(batch[0].id, id);
    EXPECT_EQ(batch[0].parent, "");
    EXPECT_EQ(Tree::NameOf(batch[0]), fmt::format("{0} BATCH {0}", service));
    EXPECT_THAT(batch[0].links, Contains(std::pair(command.trace, command.id)));
    EXPECT_NE(batch[0].attribute("db.system.name"), "");
    EXPECT_NE(batch[0].attribute("db.operation.batch.size"), "");
  }
  static double Dropped(Buyer& onlooker) {
    const std::string text = onlooker.Call("GET", "/v1/admin/metrics").text;
    const std::string name = "boxoffice_trace_dropped_spans_total{reason=\"queue_full\"} ";
    const size_t at = text.find("\n" + name);
    double dropped = -1;
    if (at != std::string::npos)
      std::from_chars(text.data() + at + 1 + name.size(), text.data() + text.size(), dropped);
    return dropped;
  }

  static otlp::Collector* collector_;
  static Platform* platform_;
  static System* system_;
  static std::string* show_;
};
otlp::Collector* Trace::collector_ = nullptr;
Platform* Trace::platform_ = nullptr;
System* Trace::system_ = nullptr;
std::string* Trace::show_ = nullptr;

TEST_F(Trace, OneSaleIsOneTreeFromTheBrowserToTheWebhook) {
  const auto [trace, spans] = SellAtOnce();
  const Tree tree(spans);
  ASSERT_THAT(tree.Names(), IsSupersetOf(NamesOfASale()));

  // One tree, below the browser's span, without an orphan.
  for (const Seen& span : tree.spans()) {
    EXPECT_EQ(tree.PathOf(span).back(), "gateway POST /v1/reservations") << Tree::NameOf(span);
    EXPECT_FALSE(span.failed) << Tree::NameOf(span) << ": " << span.error;
    EXPECT_LE(span.start_ns, span.end_ns);
  }
  EXPECT_EQ(tree.Named("gateway POST /v1/reservations").size(), 1U);

  // From the edge through the saga's steps to the participants, each of whose commands a batch has served.
  const std::vector<std::string> saga{"reservation saga one_shot", fmt::format("reservation {}", kReserve),
                                      fmt::format("gateway {}", kReserve), "gateway POST /v1/reservations"};
  for (const auto& [step, service, method] : CallsOfASale()) {
    const auto served = tree.Named(service + " " + method);
    ASSERT_EQ(served.size(), 1U) << method;
    std::vector<std::string> path{service + " " + method, "reservation " + method, "reservation " + step};
    path.insert(path.end(), saga.begin(), saga.end());
    EXPECT_EQ(tree.PathOf(*served[0]), path);
    EXPECT_EQ(served[0]->attribute("rpc.system"), "grpc");
    size_t commands = 0;
    for (const Seen* command : tree.Named(fmt::format("{0} {0} command", service))) {
      if (command->parent != served[0]->id) continue;
      ++commands;
      ExpectBatch(*command, service);
    }
    EXPECT_GE(commands, 1U) << method;
  }
  // The two writes of the saga: the intent, and the end.
  const auto writes = tree.Named("reservation reservation command");
  ASSERT_EQ(writes.size(), 2U);
  for (const Seen* write : writes) ExpectBatch(*write, "reservation");

  // What it published, who consumed that, and the webhook, which carries the trace on.
  for (const auto& [service, command] : std::map<std::string, std::string>{
           {"seat", "boxoffice.seat.v1.SeatService/HoldSeats"},
           {"wallet", "boxoffice.wallet.v1.WalletService/Debit"},
           {"payment", "boxoffice.payment.v1.PaymentService/ApprovePayment"}}) {
    std::set<std::string> parents;
    for (const Seen* sent : tree.Named(fmt::format("{0} send {0}", service)))
      parents.insert(Tree::NameOf(*tree.ParentOf(*sent)));
    EXPECT_THAT(parents, Contains(service + " " + command));
  }
  for (const char* consumer : {"ranking process reservation", "relay process reservation", "relay POST"}) {
    for (const Seen* span : tree.Named(consumer)) {
      EXPECT_EQ(Tree::NameOf(*tree.ParentOf(*span)), "reservation send reservation") << consumer;
    }
  }
  std::vector<std::string> delivered;
  for (const Seen* span : tree.Named("relay POST")) {
    delivered.push_back(fmt::format("00-{}-{}-01", trace, span->id));
    EXPECT_EQ(span->attribute("url.full"), platform_->url());
    EXPECT_EQ(span->attribute("http.response.status_code"), "204");
  }
  std::vector<std::string> got;
  for (const Platform::Event& event : platform_->Got()) got.push_back(event.traceparent);
  EXPECT_THAT(got, IsSupersetOf(delivered));
}

TEST_F(Trace, OfASaleThatIsNotSampledNothingIsSent) {
  // But for one in which a step had to be asked again, as on a busy machine: that is kept, and another is
  // taken.
  std::optional<std::set<std::string>> sent;
  for (int tries = 0; tries < kTries && (!sent || !sent->empty()); ++tries) {
    const std::string unsampled = NewTrace();
    const bool sold = Sell(unsampled, /*sampled=*/false).status == 201;
    const std::string next = NewTrace();
    if (Sell(next, /*sampled=*/true).status != 201 || !sold) continue;
    EXPECT_THAT(Tree(AwaitSale(next)).Names(), IsSupersetOf(NamesOfASale()));
    sent = Tree(collector_->OfTrace(unsampled)).Names();
  }
  ASSERT_TRUE(sent) << "nothing was sold at once";
  EXPECT_THAT(*sent, IsEmpty());
}

TEST_F(Trace, WhatGoesWrongIsKeptThoughNothingIsSampled) {
  platform_->Answer(500);
  const std::string trace = NewTrace();
  // The provider answers at the second time of asking.
  const Reply sold = Sell(trace, /*sampled=*/false, "sandbox:timeout_before_capture");
  ASSERT_THAT(sold.status, ::testing::AnyOf(201, 202)) << sold;
  const std::set<std::string> expected{"reservation saga one_shot",
                                       "reservation hold-seats",
                                       "reservation debit-wallet",
                                       "reservation approve-payment",
                                       "payment boxoffice.payment.v1.PaymentService/ApprovePayment",
                                       "relay POST"};
  Eventually([&] { return std::ranges::includes(Tree(collector_->OfTrace(trace)).Names(), expected); },
             seconds(60));
  platform_->Answer(204);
  const Tree tree(collector_->OfTrace(trace));
  ASSERT_THAT(tree.Names(), IsSupersetOf(expected));
  bool failed_step = false;
  for (const Seen& span : tree.spans()) {
    EXPECT_EQ(span.attribute("boxoffice.kept"), "error") << span.name;
    failed_step |= span.name == "approve-payment" && span.failed;
  }
  EXPECT_TRUE(failed_step);
  // What the participant says of its failure is below the step that met it.
  bool below = false;
  for (const Seen* served : tree.Named("payment boxoffice.payment.v1.PaymentService/ApprovePayment")) {
    const Seen* step = tree.ParentOf(*served);
    below |= step != nullptr && step->name == "approve-payment" && step->failed;
  }
  EXPECT_TRUE(below);
}

// The last one: after it the collector is gone.
TEST_F(Trace, ACollectorThatHangsOrIsGoneHoldsUpNoSaleAndWhatItMissesIsCounted) {
  // At once, but where the machine was busy: then the next sale is.
  const auto sells_in_time = [] {
    for (int tries = 0; tries < kTries; ++tries) {
      const auto start = SteadyClock::now();
      const bool sold = Sell(NewTrace(), /*sampled=*/true).status == 201;
      if (sold && SteadyClock::now() - start < seconds(20)) return true;
    }
    return false;
  };
  collector_->Answer(200, seconds(3'600));
  Buyer onlooker(system_->port(), "looking-on", system_->Token("looking-on", auth::Role::kOperator));
  ASSERT_EQ(Dropped(onlooker), 0);
  constexpr int kEnough = 8'000;  // of requests; the queue, and as much on its way, take fewer
  for (int i = 0; i < kEnough && (i % 100 != 0 || Dropped(onlooker) == 0); ++i) {
    ASSERT_NE(onlooker.Call("GET", "/v1/shows/" + *show_, {}, Headers(NewTrace(), true)).status, 0);
  }
  EXPECT_GT(Dropped(onlooker), 0);
  EXPECT_TRUE(sells_in_time());
  collector_->Stop();
  EXPECT_TRUE(sells_in_time());
  system_->ExpectCleanAudit();
  EXPECT_EQ(system_->Stop(SIGTERM), 0);
}

}  // namespace
}  // namespace boxoffice::e2e
