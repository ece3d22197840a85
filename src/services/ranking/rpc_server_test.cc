#include "services/ranking/rpc_server.h"

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <grpcpp/client_context.h>

#include "base/money.h"
#include "boxoffice/bus/v1/events.pb.h"
#include "platform/bus/processed_event.h"
#include "platform/bus/sqlite_bus.h"
#include "platform/module/store_url.h"
#include "platform/rpc/status.h"
#include "services/ranking/bus_client.h"
#include "services/ranking/module.h"
#include "services/ranking/store_sqlite.h"
#include "testing/fake_bus.h"
#include "testing/redis_server.h"
#include "testing/temp_dir.h"
#include "testing/wait.h"

namespace boxoffice::sql {
std::span<const Migration> ranking_sqlite_schema();
}

namespace boxoffice::ranking {
namespace {

// After each page that is read of the log, something happens to it.
class MeanwhileBus final : public bus::Bus {
 public:
  MeanwhileBus(bus::Bus& bus, std::function<void(const bus::Page&)> meanwhile)
      : bus_(bus), meanwhile_(std::move(meanwhile)) {}

  Result<bus::Page> Read(const std::string& topic, const bus::Position& after, size_t limit) override {
    Result<bus::Page> page = bus_.Read(topic, after, limit);
    if (page) meanwhile_(*page);
    return page;
  }
  Result<void> Publish(std::span<const bus::Event> events) override { return bus_.Publish(events); }
  Result<void> Subscribe(const std::string& group, std::vector<std::string> topics,
                         Consume consume) override {
    return bus_.Subscribe(group, std::move(topics), std::move(consume));
  }
  void Unsubscribe(const std::string& group) override { bus_.Unsubscribe(group); }
  Result<int64_t> Lag(const std::string& group, std::span<const std::string> topics) override {
    return bus_.Lag(group, topics);
  }
  Result<std::vector<bus::DeadLetter>> DeadLetters(size_t limit) override { return bus_.DeadLetters(limit); }
  Result<void> Replay(int64_t dead_letter_id) override { return bus_.Replay(dead_letter_id); }

 private:
  bus::Bus& bus_;
  const std::function<void(const bus::Page&)> meanwhile_;
};

// Nobody can read its log.
class AwayBus final : public testbed::FakeBus {
 public:
  Result<bus::Page> Read(const std::string&, const bus::Position&, size_t) override {
    ++reads;
    return Fail(Code::kUnavailable, "bus_unavailable");
  }
  std::atomic<int> reads = 0;
};

// Its log can be read, but for the first time that a topic is to be.
class StumblingBus final : public testbed::FakeBus {
 public:
  StumblingBus(bus::Bus& bus, std::string topic, std::function<void()> before)
      : bus_(bus), topic_(std::move(topic)), before_(std::move(before)) {}
  Result<bus::Page> Read(const std::string& topic, const bus::Position& after, size_t limit) override {
    before_();
    if (topic == topic_ && !std::exchange(stumbled_, true))
      return Fail(Code::kUnavailable, "bus_unavailable");
    return bus_.Read(topic, after, limit);
  }

 private:
  bus::Bus& bus_;
  const std::string topic_;
  const std::function<void()> before_;
  bool stumbled_ = false;
};

Result<void> RebuildOnce(RankingService& service, RankingService::From from, bus::Bus& bus,
                         const std::atomic<bool>& stopping) {
  return RebuildFromLog(service, from, bus, stopping);
}

// The whole service: events on a real bus, questions over gRPC.
class RankingServiceTest : public testing::Test {
 protected:
  void SetUp() override {
    bus_ = bus::SqliteBus::Open({.file = dir_.path() / "bus.db",
                                 .min_gap = milliseconds(0),
                                 .retry_backoff = milliseconds(1),
                                 .max_retry_backoff = milliseconds(1)},
                                clock_, metrics_)
               .value();
    RunOn(*bus_);
  }
  void RunOn(bus::Bus& bus) {
    runtime_ = std::make_unique<module::Runtime>(module::Runtime{
        clock_, random_, metrics_, bus, {}, dir_.path(), {}, module::DefaultStoreUrl(dir_.path()), {}});
  }
  void Start(RankingConfig config = {}) {
    module_ = std::make_unique<RankingModule>(*runtime_, config);
    ASSERT_TRUE(testbed::Eventually([this] { return module_->Start().has_value(); }));
    stub_ = v1::RankingService::NewStub(module_->ForThisProcess().channel);
  }
  void Stop() {
    stub_.reset();
    module_.reset();
  }
  bus::Event Reservation(std::string type, int64_t show, int seats) {
    boxoffice::bus::v1::ReservationEvent body;
    body.set_show_id(show);
    for (int i = 1; i <= seats; ++i) body.add_seat_nos(static_cast<uint32_t>(i));
    body.set_at_ms(ToUnixMs(clock_.Now()));
    body.set_amount(seats * 1'000);
    body.set_currency("KRW");
    return Make("reservation", std::move(type), body.SerializeAsString());
  }
  bus::Event SoldOut(int64_t show, milliseconds after) {
    boxoffice::bus::v1::ShowSoldOut body;
    body.set_show_id(show);
    body.set_on_sale_at_ms(ToUnixMs(clock_.Now() - after));
    body.set_at_ms(ToUnixMs(clock_.Now()));
    return Make("seat", "show.sold_out", body.SerializeAsString());
  }
  bus::Event Make(std::string topic, std::string type, std::string body) {
    const EventId id = EventId::Make(clock_.Now(), random_);
    return {id, std::move(topic), id.ToString(), std::move(type), "", std::move(body), clock_.Now()};
  }
  void Publish(std::vector<bus::Event> events) { ASSERT_TRUE(bus_->Publish(events)); }
  v1::AuditResponse Audit() { return AuditOf(*stub_); }
  // As a caller does: again, while the store does not answer in time.
  static v1::AuditResponse AuditOf(v1::RankingService::Stub& stub) {
    v1::AuditResponse response;
    EXPECT_TRUE(testbed::Eventually([&] {
      grpc::ClientContext context;
      return stub.Audit(&context, {}, &response).ok();
    }));
    return response;
  }
  v1::AuditResponse WaitForProcessed(uint64_t count) {
    v1::AuditResponse audit;
    (void)testbed::Eventually([&] { return (audit = Audit()).processed_events() >= count; });
    EXPECT_EQ(audit.processed_events(), count);
    return audit;
  }
  grpc::Status Get(std::string by, std::string window, uint32_t limit, v1::GetRankingResponse& response) {
    grpc::ClientContext context;
    v1::GetRankingRequest request;
    request.set_by(by);
    request.set_window(window);
    request.set_limit(limit);
    return stub_->GetRanking(&context, request, &response);
  }

  testbed::TempDir dir_;
  ManualClock clock_;
  SeededRandom random_{1};
  obs::Registry metrics_;
  std::unique_ptr<bus::SqliteBus> bus_;
  std::unique_ptr<module::Runtime> runtime_;
  std::unique_ptr<RankingModule> module_;
  std::unique_ptr<v1::RankingService::Stub> stub_;
};

TEST_F(RankingServiceTest, EventsBecomeARanking) {
  Start();
  Publish({Reservation("reservation.confirmed", 7, 2), Reservation("reservation.held", 7, 2),
           Reservation("reservation.confirmed", 7, 3), Reservation("reservation.cancelled", 7, 2),
           Reservation("reservation.confirmed", 8, 1), Reservation("reservation.confirmed", 8, 1),
           SoldOut(8, std::chrono::minutes(3))});
  const auto audit = WaitForProcessed(6);
  ASSERT_EQ(audit.rows_size(), 2);
  EXPECT_EQ(audit.rows(0).show_id(), 7);
  EXPECT_EQ(audit.rows(0).confirmed(), 2);
  EXPECT_EQ(audit.rows(0).cancelled(), 1);
  EXPECT_EQ(audit.rows(0).seats_sold(), 3);
  v1::GetRankingResponse ranking;
  ASSERT_TRUE(Get("bookings", "hour", 10, ranking).ok());
  ASSERT_EQ(ranking.rows_size(), 2);
  EXPECT_EQ(ranking.rows(0).rank(), 1);
  EXPECT_EQ(ranking.rows(0).show_id(), 8);
  EXPECT_EQ(ranking.rows(0).bookings(), 2);
  EXPECT_EQ(ranking.rows(1).rank(), 2);
  EXPECT_EQ(ranking.rows(1).seats(), 3);
  EXPECT_EQ(ranking.as_of_ms(), ToUnixMs(clock_.Now()));
  ASSERT_TRUE(Get("sellout", "all", 10, ranking).ok());
  ASSERT_EQ(ranking.rows_size(), 1);
  EXPECT_EQ(ranking.rows(0).sellout_ms(), 180'000);
  EXPECT_EQ(ranking.rows(0).on_sale_at_ms(), ToUnixMs(clock_.Now()) - 180'000);
}

TEST_F(RankingServiceTest, AnEventThatComesAgainIsCountedOnce) {
  Start();
  const bus::Event event = Reservation("reservation.confirmed", 7, 1);
  Publish({event, event});
  Publish({event});
  Publish({Reservation("reservation.confirmed", 7, 1)});
  EXPECT_EQ(WaitForProcessed(2).rows(0).confirmed(), 2);
}

TEST_F(RankingServiceTest, CountsOutliveARestart) {
  Start();
  Publish({Reservation("reservation.confirmed", 7, 1)});
  WaitForProcessed(1);
  Stop();
  Start();
  EXPECT_EQ(Audit().rows(0).confirmed(), 1);
}

TEST_F(RankingServiceTest, AMalformedEventParksOnlyItsKey) {
  Start();
  Publish({Reservation("reservation.confirmed", 7, 1),
           Make("reservation", "reservation.confirmed", "\xff\xff"),
           Reservation("reservation.confirmed", 7, 1)});
  EXPECT_EQ(WaitForProcessed(2).rows(0).confirmed(), 2);
}

TEST_F(RankingServiceTest, AnEventWithWhatCanBeNoneIsMalformed) {
  using Body = boxoffice::bus::v1::ReservationEvent;
  const auto reason = [&](const std::function<void(Body&)>& change) {
    bus::Event event = Reservation("reservation.confirmed", 7, 2);
    Body body;
    EXPECT_TRUE(body.ParseFromString(event.body));
    change(body);
    event.body = body.SerializeAsString();
    const Result<std::optional<Event>> read = ToEvent({.event = event});
    return read ? std::string() : read.error().reason;
  };
  EXPECT_EQ(reason([](Body&) {}), "");
  EXPECT_EQ(reason([](Body& body) { body.set_amount(0); }), "") << "of a free show";
  for (const int64_t show : {-1, 0})
    EXPECT_EQ(reason([&](Body& body) { body.set_show_id(show); }), "event_malformed") << show;
  for (const char* currency : {"", "5", "krw", "KRWX"})
    EXPECT_EQ(reason([&](Body& body) { body.set_currency(currency); }), "event_malformed") << currency;
  for (const int64_t at : {int64_t{1} << 62, -(int64_t{1} << 62), int64_t{253'402'300'800'000}})
    EXPECT_EQ(reason([&](Body& body) { body.set_at_ms(at); }), "event_malformed") << at;
  for (const int64_t amount : {int64_t{-1}, kMaxAmount + 1}) {
    EXPECT_EQ(reason([&](Body& body) { body.set_amount(amount); }), "event_malformed") << amount;
    EXPECT_EQ(reason([&](Body& body) { body.set_given_back(amount); }), "event_malformed") << amount;
  }
}

TEST_F(RankingServiceTest, ASelloutWithATimeThatCanBeNoneIsMalformed) {
  using Body = boxoffice::bus::v1::ShowSoldOut;
  const auto is_read = [&](const std::function<void(Body&)>& change) {
    bus::Event event = SoldOut(7, milliseconds(5));
    Body body;
    EXPECT_TRUE(body.ParseFromString(event.body));
    change(body);
    event.body = body.SerializeAsString();
    return ToEvent({.event = event}).has_value();
  };
  EXPECT_TRUE(is_read([](Body&) {}));
  EXPECT_FALSE(is_read([](Body& body) { body.set_show_id(0); }));
  EXPECT_FALSE(is_read([](Body& body) { body.set_at_ms(int64_t{1} << 62); }));
  EXPECT_FALSE(is_read([](Body& body) { body.set_on_sale_at_ms(-(int64_t{1} << 62)); }));
}

TEST_F(RankingServiceTest, ARebuildFromTheLogIsEqualToWhatWasCounted) {
  Start();
  Publish({Reservation("reservation.confirmed", 7, 2), SoldOut(7, milliseconds(5)),
           Make("reservation", "reservation.confirmed", "\xff\xff")});
  clock_.Advance(std::chrono::hours(2));
  Publish({Reservation("reservation.cancelled", 7, 2), Reservation("reservation.confirmed", 8, 1)});
  WaitForProcessed(4);
  Stop();
  const std::filesystem::path file = dir_.path() / "ranking.db";
  const State counted = OpenSqliteStore(file).value()->Load()->state;
  ASSERT_EQ(counted.processed, 4);
  RankingService service(OpenSqliteStore(file).value(), clock_);
  ASSERT_TRUE(service.Load());
  ASSERT_TRUE(RebuildOnce(service, RankingService::From::kNothing, *bus_, false));
  EXPECT_EQ(OpenSqliteStore(file).value()->Load()->state, counted);
}

TEST_F(RankingServiceTest, ARebuildThatIsAskedForGivesTheSameRankingsAndGoesOn) {
  Start();
  Publish({Reservation("reservation.confirmed", 7, 2), SoldOut(7, milliseconds(5)),
           Reservation("reservation.confirmed", 8, 1)});
  clock_.Advance(std::chrono::hours(2));
  Publish({Reservation("reservation.cancelled", 7, 2), Reservation("reservation.confirmed", 8, 3)});
  WaitForProcessed(5);
  const auto all = [this] {
    std::string answers;
    for (const char* by : {"bookings", "revenue", "sellout", "trending"}) {
      for (const char* window : {"hour", "day", "week"}) {
        v1::GetRankingResponse ranking;
        EXPECT_TRUE(Get(by, window, 200, ranking).ok());
        answers += ranking.SerializeAsString();
      }
    }
    return answers;
  };
  const std::string before = all();
  clock_.Advance(milliseconds(1));  // so that the rebuild is told from the first one
  grpc::ClientContext context;
  v1::Status asked;
  ASSERT_TRUE(stub_->Rebuild(&context, {}, &asked).ok());
  EXPECT_TRUE(asked.rebuilding());
  EXPECT_TRUE(testbed::Eventually([&] {
    grpc::ClientContext again;
    v1::Status status;
    return stub_->GetStatus(&again, {}, &status).ok() && !status.rebuilding() &&
           status.rebuilt_at_ms() >= asked.now_ms();
  }));
  EXPECT_EQ(all(), before);
  Publish({Reservation("reservation.confirmed", 8, 1)});
  WaitForProcessed(6);
}

TEST_F(RankingServiceTest, WhileTheLogCantBeReadARebuildForgetsNothingAndIsStillDue) {
  Start();
  Publish({Reservation("reservation.confirmed", 7, 2)});
  WaitForProcessed(1);
  Stop();
  AwayBus away;
  RunOn(away);
  Start({.rebuild = true});
  EXPECT_TRUE(testbed::Eventually([&] { return away.reads > 0; }));
  v1::GetRankingResponse ranking;
  EXPECT_TRUE(Get("bookings", "all", 10, ranking).ok());
  EXPECT_EQ(ranking.rows_size(), 1);
  grpc::ClientContext context;
  v1::Status status;
  EXPECT_TRUE(stub_->GetStatus(&context, {}, &status).ok());
  EXPECT_TRUE(status.rebuilding());
  Stop();
}

TEST_F(RankingServiceTest, ARebuildThatFailsOnItsWayGoesOnWithoutForgettingAgain) {
  Publish({Reservation("reservation.confirmed", 7, 2), SoldOut(7, milliseconds(5))});
  std::vector<uint64_t> counted;  // before each reading
  StumblingBus bus(*bus_, "seat", [&] {
    counted.push_back(OpenSqliteStore(dir_.path() / "ranking.db").value()->Load()->state.processed);
  });
  RunOn(bus);
  Start({.rebuild = true});
  EXPECT_EQ(WaitForProcessed(2).rows(0).confirmed(), 1);
  Stop();
  // Each time the log's beginning, twice, and the other topic, at which it failed.
  EXPECT_THAT(counted, testing::ElementsAre(0, 0, 1, 1, 1, 1));
}

TEST_F(RankingServiceTest, WhatAStoreOfBeforeHasCountedIsCountedAnew) {
  Publish({Reservation("reservation.confirmed", 7, 2)});
  {
    // As version 0.1 left it.
    sql::Database old = sql::Database::Open(dir_.path() / "ranking.db").value();
    ASSERT_TRUE(old.Migrate(sql::ranking_sqlite_schema().first(1)));
    ASSERT_TRUE(old.Execute(
        "INSERT INTO show_tally VALUES(7, 9, 0, 9, NULL, NULL); UPDATE summary SET processed = 9, "
        "rebuilding = 0"));
  }
  Start();
  WaitForProcessed(1);
  v1::GetRankingResponse ranking;
  ASSERT_TRUE(Get("revenue", "all", 10, ranking).ok());
  ASSERT_EQ(ranking.rows_size(), 1);
  EXPECT_EQ(ranking.rows(0).revenue(), 2'000);
  EXPECT_EQ(ranking.rows(0).currency(), "KRW");
}

TEST_F(RankingServiceTest, AfterARebuildItGoesOnWhereTheLogEnded) {
  Start();
  Publish({Reservation("reservation.confirmed", 7, 2)});
  WaitForProcessed(1);
  Stop();
  Start({.rebuild = true});
  Publish({Reservation("reservation.confirmed", 7, 1)});
  EXPECT_EQ(WaitForProcessed(2).rows(0).confirmed(), 2);
}

// One that the rebuild still reads is delivered once more, as it came after what the group has had; one that
// it does not read is delivered alone.
TEST_F(RankingServiceTest, AnEventThatComesDuringARebuildIsCountedOnce) {
  Start();
  Publish({Reservation("reservation.confirmed", 7, 1)});
  WaitForProcessed(1);
  Stop();
  bool begun = false;
  bool ended = false;
  MeanwhileBus bus(*bus_, [&](const bus::Page& page) {
    const bool at_the_beginning = !std::exchange(begun, true);
    const bool at_the_end = page.records.empty() && !std::exchange(ended, true);
    if (at_the_beginning || at_the_end) Publish({Reservation("reservation.confirmed", 7, 1)});
  });
  RunOn(bus);
  Start({.rebuild = true});
  EXPECT_EQ(WaitForProcessed(3).rows(0).confirmed(), 3);
  EXPECT_TRUE(testbed::Eventually([&] { return bus.Lag(kGroup, ConsumedTopics()).value_or(-1) == 0; }));
  EXPECT_EQ(WaitForProcessed(3).rows(0).confirmed(), 3) << "all of them have been delivered by now";
  EXPECT_EQ(metrics_.GetCounter("boxoffice_bus_consume_failures_total", "", {{"group", kGroup}}).value(), 0U);
  Stop();
}

TEST_F(RankingServiceTest, ARebuildEndsWhileEventsKeepComing) {
  Publish({Reservation("reservation.confirmed", 7, 2), SoldOut(7, std::chrono::minutes(3))});
  RankingService service(OpenSqliteStore(dir_.path() / "other.db").value(), clock_);
  ASSERT_TRUE(service.Load());
  std::atomic<bool> stopping = false;
  int pages = 0;
  MeanwhileBus bus(*bus_, [&](const bus::Page& page) {
    stopping = ++pages == 100;
    const bool of_reservations = !page.records.empty() && page.records[0].event.topic == "reservation";
    if (of_reservations) Publish({Reservation("reservation.confirmed", 7, 1)});
  });
  const Result<void> rebuilt = RebuildOnce(service, RankingService::From::kNothing, bus, stopping);
  ASSERT_TRUE(rebuilt) << rebuilt.error().reason;
  EXPECT_EQ(service.Get(Order::kSellout, Window::kAll, 10).rows.size(), 1);
}

TEST_F(RankingServiceTest, WhatAnotherProcessCountsJustBeforeARebuildForgetsAllIsCountedInIt) {
  const std::filesystem::path file = dir_.path() / "other.db";
  Publish({Reservation("reservation.confirmed", 7, 1)});
  RankingService service(OpenSqliteStore(file).value(), clock_);
  RankingService other(OpenSqliteStore(file).value(), clock_);
  ASSERT_TRUE(service.Load() && other.Load());
  bool counted = false;
  MeanwhileBus bus(*bus_, [&](const bus::Page&) {
    if (std::exchange(counted, true)) return;
    Publish({Reservation("reservation.confirmed", 7, 1)});
    EXPECT_EQ(Consume(other, bus_->Read("reservation", {}, 10)->records).done, 2);
  });
  ASSERT_TRUE(RebuildOnce(service, RankingService::From::kNothing, bus, false));
  EXPECT_EQ(service.GetAudit().shows.at(7).confirmed, 2);
}

TEST_F(RankingServiceTest, ALostDatabaseIsRebuiltByItself) {
  Start();
  Publish({Reservation("reservation.confirmed", 7, 2)});
  WaitForProcessed(1);
  Stop();
  for (const char* suffix : {"", "-wal", "-shm"}) {
    std::filesystem::remove(dir_.path() / (std::string("ranking.db") + suffix));
  }
  Start();
  EXPECT_EQ(WaitForProcessed(1).rows(0).seats_sold(), 2);
}

TEST_F(RankingServiceTest, ARebuildThatWasStoppedIsStillNeeded) {
  Publish({Reservation("reservation.confirmed", 7, 2)});
  RankingService service(OpenSqliteStore(dir_.path() / "other.db").value(), clock_);
  ASSERT_TRUE(service.Load());
  EXPECT_EQ(RebuildOnce(service, RankingService::From::kWhatIsThere, *bus_, true).error().reason, "stopped");
  EXPECT_TRUE(service.NeedsRebuild());
  ASSERT_TRUE(RebuildOnce(service, RankingService::From::kWhatIsThere, *bus_, false));
  EXPECT_FALSE(service.NeedsRebuild());
  EXPECT_EQ(service.GetAudit().shows.at(7).seats, 2);
}

TEST_F(RankingServiceTest, OfTwoReplicasEachAnswersWhatTheOtherCountsAndGoesOnWhenItEnds) {
  BOXOFFICE_NEEDS_REDIS();
  runtime_->store_url = testbed::EmptyRedis().Url();
  Start();
  const auto bus = bus::SqliteBus::Open({.file = dir_.path() / "bus.db"}, clock_, metrics_).value();
  module::Runtime runtime{clock_, random_, metrics_, *bus, {}, dir_.path(), {}, runtime_->store_url, {}};
  RankingModule other(runtime, {});
  ASSERT_TRUE(testbed::Eventually([&] { return other.Start().has_value(); }));
  const auto channel = other.ForThisProcess().channel;
  const auto stub = v1::RankingService::NewStub(channel);
  const auto counted_there = [&] { return AuditOf(*stub).processed_events(); };
  Publish({Reservation("reservation.confirmed", 7, 2)});
  WaitForProcessed(1);
  EXPECT_TRUE(testbed::Eventually([&] { return counted_there() == 1; })) << "at the latest in its rebuild";
  Publish({Reservation("reservation.confirmed", 7, 1)});
  const auto counted_here = [&] { return Audit().processed_events(); };
  EXPECT_TRUE(testbed::Eventually([&] { return counted_here() == 2 || counted_there() == 2; }));
  EXPECT_EQ(counted_here(), 2) << "whichever of them has counted it";
  EXPECT_EQ(counted_there(), 2);
  clock_.Advance(milliseconds(1));  // so that the rebuild is told from the first one
  grpc::ClientContext context;
  v1::Status asked;
  ASSERT_TRUE(stub_->Rebuild(&context, {}, &asked).ok());
  const auto rebuilt_there = [&] {
    grpc::ClientContext again;
    v1::Status status;
    EXPECT_TRUE(stub->GetStatus(&again, {}, &status).ok());
    return !status.rebuilding() && status.rebuilt_at_ms() >= asked.now_ms();
  };
  EXPECT_TRUE(testbed::Eventually(rebuilt_there)) << "what one has rebuilt the other shows";
  EXPECT_EQ(counted_there(), 2);
  Stop();
  Publish({Reservation("reservation.confirmed", 7, 1)});
  EXPECT_TRUE(testbed::Eventually([&] { return counted_there() == 3; }));
}

TEST_F(RankingServiceTest, BadArgumentsAreNamed) {
  Start();
  v1::GetRankingResponse ranking;
  for (const auto& [by, window, limit, field] :
       std::vector<std::tuple<std::string, std::string, uint32_t, std::string>>{
           {"price", "day", 1, "by"},
           {"bookings", "year", 1, "window"},
           {"trending", "all", 1, "window"},
           {"bookings", "day", 0, "limit"},
           {"bookings", "day", 201, "limit"}}) {
    const Error error = rpc::FromStatus(Get(by, window, limit, ranking));
    EXPECT_EQ(error.code, Code::kInvalidArgument);
    EXPECT_THAT(error.detail, testing::HasSubstr(field));
  }
}

// Its migration has the text that platform/bus/processed_event.h works on.
TEST_F(RankingServiceTest, TheTableOfProcessedEventsIsTheBusesOwn) {
  auto columns = [](sql::Database& database) {
    sql::Statement rows =
        database.Prepare("SELECT group_concat(name || type || pk) FROM pragma_table_info('processed_event')");
    EXPECT_TRUE(rows.Step().value());
    return std::string(rows.Text(0));
  };
  ASSERT_TRUE(OpenSqliteStore(dir_.path() / "other.db"));
  auto own = sql::Database::Open(dir_.path() / "other.db").value();
  auto plain = sql::Database::Open(dir_.path() / "plain.db").value();
  ASSERT_TRUE(plain.Execute(bus::kProcessedEventSchema));
  EXPECT_EQ(columns(own), columns(plain));
}

}  // namespace
}  // namespace boxoffice::ranking
