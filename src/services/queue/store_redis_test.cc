// What is of the waiting room on Redis alone: replicas side by side, slots that move, servers that die.
#include "services/queue/store_redis.h"

#include <algorithm>
#include <charconv>
#include <future>
#include <set>
#include <string>
#include <vector>

#include <gmock/gmock.h>

#include "base/random.h"
#include "platform/archive/rows.h"
#include "platform/redis/redis_for_test.h"
#include "platform/redis/slot.h"
#include "services/queue/service.h"
#include "services/queue/store_redis_row.h"
#include "services/queue/store_rows.h"
#include "testing/redis_server.h"
#include "testing/wait.h"

namespace boxoffice::queue {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using SteadyClock = std::chrono::steady_clock;

constexpr int64_t kShow = 7;

// One replica of the service: a store, and what runs on it.
class Replica {
 public:
  Replica(const std::string& url, const Clock& clock, const redis::Options& options = redis::kPatient)
      : stores_(OpenRedis(url, options).value()), service_(*stores_.store, clock, metrics_, {}) {
    EXPECT_TRUE(testbed::Eventually([this] { return service_.Load().has_value(); }));
  }
  std::future<Result<Outcome>> Submit(Command command) {
    auto promise = std::make_shared<std::promise<Result<Outcome>>>();
    auto future = promise->get_future();
    service_.Submit(std::move(command),
                    [promise](Result<Outcome> outcome) { promise->set_value(std::move(outcome)); });
    return future;
  }
  Result<Outcome> Run(Command command) { return Submit(std::move(command)).get(); }
  // Joins as a caller does, who tries again while the queue is not available.
  std::optional<SessionAnswer> JoinInTheEnd(const std::string& user) {
    std::optional<SessionAnswer> answer;
    (void)testbed::Eventually([&] {
      if (const auto joined = Run(Join{kShow, user})) answer = std::get<SessionAnswer>(*joined);
      return answer.has_value();
    });
    return answer;
  }
  std::vector<Session> Stored() { return stores_.history->Sessions(kShow, 0, 100'000).value(); }
  [[nodiscard]] bool store_works() const { return service_.store_works(); }

 private:
  Stores stores_;
  obs::Registry metrics_;
  Service service_;
};

SessionAnswer SessionIn(const Result<Outcome>& outcome) { return std::get<SessionAnswer>(outcome.value()); }
Ticket TicketOf(const SessionAnswer& answer) { return {.claims = answer.claims}; }

int64_t Number(std::string_view text) {
  int64_t number = -1;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

// HGETALLs since CONFIG RESETSTAT.
int64_t HashesRead(const testbed::RedisServer& server) {
  const std::string stats = server.AskOne({"INFO", "commandstats"});
  const std::string calls = "cmdstat_hgetall:calls=";
  const size_t at = stats.find(calls);
  return at != std::string::npos ? Number(stats.substr(at + calls.size())) : 0;
}

class QueueRedisTest : public ::testing::Test {
 protected:
  void SetUp() override { BOXOFFICE_NEEDS_REDIS(); }

  // For what is not frozen still enough on a busy machine.
  static constexpr redis::Options kQuick{.connect_timeout = seconds(2), .command_timeout = seconds(2)};
  ManualClock clock_;
  SeededRandom random_{1};
};

TEST_F(QueueRedisTest, TwoReplicasThatTickOneShowKeepTheCapAndTheOrder) {
  const std::string url = testbed::EmptyRedisCluster().Url();
  constexpr uint32_t kCap = 10;
  Replica first(url, clock_);
  Replica second(url, clock_);
  ASSERT_TRUE(first.Run(Configure{.show_id = kShow, .rate_per_s = 1'000, .active_cap = kCap}).has_value());
  int users = 0;
  for (int round = 0; round < 30; ++round) {
    clock_.Advance(milliseconds(100));
    std::vector<std::future<Result<Outcome>>> running;
    for (Replica* replica : {&first, &second}) {
      running.push_back(replica->Submit(Tick{}));
      for (int i = 0; i < 2; ++i) {
        running.push_back(replica->Submit(Join{kShow, "user" + std::to_string(users++)}));
      }
      running.push_back(replica->Submit(Tick{}));
    }
    for (auto& outcome : running) EXPECT_TRUE(outcome.get().has_value());
    // All of them lie in one bucket, which is read at one moment.
    const std::vector<Session> stored = first.Stored();
    const auto is = [](SessionState state) {
      return [state](const Session& session) { return session.state == state; };
    };
    ASSERT_LE(std::ranges::count_if(stored, is(SessionState::kActive)), kCap);
    const auto waits = std::ranges::find_if(stored, is(SessionState::kWaiting));
    ASSERT_TRUE(std::all_of(waits, stored.end(), is(SessionState::kWaiting))) << "nobody is passed over";
    // Whoever is ACTIVE leaves now and then, through either replica.
    for (const Session& session : stored) {
      if (session.state != SessionState::kActive || random_.Below(2) == 0) continue;
      Replica& replica = random_.Below(2) == 0 ? first : second;
      EXPECT_TRUE(replica.Run(Leave{{.claims = ClaimsOf(session)}, session.user_id}).has_value());
    }
  }
  const std::vector<Session> stored = first.Stored();
  ASSERT_EQ(stored.size(), users) << "every join is there once";
  std::set<std::string> names;
  for (size_t i = 0; i < stored.size(); ++i) {
    EXPECT_EQ(stored[i].sequence, i + 1);
    names.insert(stored[i].user_id);
  }
  EXPECT_EQ(names.size(), users);
  EXPECT_GT(std::ranges::count_if(stored, [](const Session& s) { return s.state == SessionState::kExpired; }),
            20)
      << "people came and went";
}

TEST_F(QueueRedisTest, AMasterDiesAndTheQueueGoesOn) {
  testbed::RedisCluster& cluster = testbed::EmptyRedisCluster();
  const SystemClock clock;
  Replica replica(cluster.Url(), clock);
  ASSERT_TRUE(replica.Run(Configure{.show_id = kShow, .active_cap = 1}).has_value());
  const SessionAnswer ann = SessionIn(replica.Run(Join{kShow, "ann"}));
  EXPECT_EQ(ann.state, SessionState::kActive);
  const size_t master = cluster.MasterOf(redis::SlotOf(KeyOf(kShow, "show")));
  int64_t elsewhere = 1;  // a show of another master
  while (cluster.MasterOf(redis::SlotOf(KeyOf(elsewhere, "show"))) == master) ++elsewhere;
  const Stores stores = *OpenRedis(cluster.Url(), redis::kPatient);
  ASSERT_TRUE(stores.store->Load({.sessions = {{elsewhere, 1}}}).has_value());
  cluster.node(master).Kill9();
  // Only sagas, so that no version is in the way.
  Changes changes{.sagas = {{.saga = SagaId::Make(clock.Now(), random_), .session = {kShow, 0}}}};
  EXPECT_EQ(stores.store->Save(changes).error().code, Code::kUnavailable) << "nothing was done";
  changes.sagas.push_back({.saga = SagaId::Make(clock.Now(), random_), .session = {elsewhere, 0}});
  EXPECT_EQ(stores.store->Save(changes).error().code, Code::kUnknown) << "a part of it was done";
  EXPECT_FALSE(replica.Run(Join{kShow, "bob"}).has_value());
  EXPECT_FALSE(replica.store_works());
  cluster.SetNodeTimeout(seconds(2));
  const auto bob = replica.JoinInTheEnd("bob");
  ASSERT_TRUE(bob.has_value()) << "a replica takes over";
  cluster.SetNodeTimeout(seconds(15));  // and no other does
  EXPECT_TRUE(replica.store_works());
  // Whether the replica had heard of her before is not sure: her token is as good as it was, or she joins
  // again.
  const SessionAnswer polled = SessionIn(replica.Run(Poll{TicketOf(ann), "ann"}));
  EXPECT_TRUE(polled.refusal.empty() || polled.refusal == kTokenUnknown) << polled.refusal;
  EXPECT_TRUE(SessionIn(replica.Run(Join{kShow, "ann"})).refusal.empty());
  cluster.node(master).Start();
  cluster.AwaitHealthy();
  EXPECT_TRUE(replica.JoinInTheEnd("eve").has_value());
}

// Redis as it was before somebody joined: what a replica holds that had not heard of the last writes.
class RedisBefore {
 public:
  explicit RedisBefore(testbed::RedisServer& server) : server_(server) { Copy("", "before"); }
  void Return() { Copy("before", ""); }

 private:
  void Copy(const std::string& from, const std::string& to) {
    for (const std::string& key :
         {KeyOf(kShow, "show"), KeyOf(kShow, "member"), BucketKey(kShow, "session", 0)}) {
      server_.AskOne({"DEL", key + to});
      server_.AskOne({"COPY", key + from, key + to});
    }
  }
  testbed::RedisServer& server_;
};

TEST_F(QueueRedisTest, ALostTokenJoinsAgain) {
  testbed::RedisServer& server = testbed::EmptyRedis();
  Replica replica(server.Url(), clock_);
  ASSERT_TRUE(replica.Run(Configure{.show_id = kShow, .active_cap = 1}).has_value());
  const SessionAnswer ann = SessionIn(replica.Run(Join{kShow, "ann"}));
  RedisBefore before(server);
  const SessionAnswer bob = SessionIn(replica.Run(Join{kShow, "bob"}));
  before.Return();
  const SessionAnswer eve = SessionIn(replica.Run(Join{kShow, "eve"}));
  EXPECT_EQ(eve.claims.sequence, bob.claims.sequence) << "what holds is what is stored";
  EXPECT_EQ(SessionIn(replica.Run(Poll{TicketOf(bob), "bob"})).refusal, kTokenUnknown);
  EXPECT_EQ(SessionIn(replica.Run(Join{kShow, "bob"})).claims.sequence, eve.claims.sequence + 1);
  EXPECT_EQ(SessionIn(replica.Run(Poll{TicketOf(ann), "ann"})).state, SessionState::kActive);
}

TEST_F(QueueRedisTest, ADrawThatAFailoverLostIsMadeAgainBeforeAnybodyCanJoinIt) {
  testbed::RedisServer& server = testbed::EmptyRedis();
  Replica replica(server.Url(), clock_);
  const std::string seed(64, 'a');
  ASSERT_TRUE(
      replica.Run(Configure{.show_id = kShow, .state = QueueState::kPrequeue, .seed = seed}).has_value());
  ASSERT_TRUE(replica.Run(Join{kShow, "ann"}).has_value());
  RedisBefore before(server);
  ASSERT_TRUE(replica.Run(Configure{.show_id = kShow, .state = QueueState::kPaused}).has_value());
  before.Return();
  const SessionAnswer eve = SessionIn(replica.Run(Join{kShow, "eve"}));
  EXPECT_EQ(eve.queue_state, QueueState::kPaused);
  EXPECT_EQ(eve.position, 2);
  EXPECT_EQ(eve.place, 0) << "she was not drawn";
  Replica second(server.Url(), clock_);
  EXPECT_EQ(SessionIn(second.Run(Join{kShow, "eve"})).position, 2) << "so it is stored";
}

TEST_F(QueueRedisTest, AVersionThatCameBackByOtherWritesIsNotTakenForTheSame) {
  testbed::RedisServer& server = testbed::EmptyRedis();
  Replica first(server.Url(), clock_);
  ASSERT_TRUE(first.Run(Configure{.show_id = kShow, .active_cap = 1}).has_value());
  ASSERT_TRUE(first.Run(Join{kShow, "ann"}).has_value());
  RedisBefore before(server);
  ASSERT_TRUE(first.Run(Join{kShow, "bob"}).has_value());
  before.Return();
  Replica second(server.Url(), clock_);
  const SessionAnswer eve = SessionIn(second.Run(Join{kShow, "eve"}));
  ASSERT_EQ(server.AskOne({"HGET", KeyOf(kShow, "show"), "version"}), "3") << "as the first replica knows it";
  const SessionAnswer kim = SessionIn(first.Run(Join{kShow, "kim"}));
  EXPECT_EQ(kim.claims.sequence, eve.claims.sequence + 1);
  EXPECT_EQ(SessionIn(first.Run(Poll{TicketOf(eve), "eve"})).refusal, "") << "and bob is forgotten";
}

TEST_F(QueueRedisTest, AnEmptiedServerIsAnEmptyQueue) {
  testbed::RedisServer& server = testbed::EmptyRedis();
  Replica replica(server.Url(), clock_);
  ASSERT_TRUE(replica.Run(Configure{.show_id = kShow, .state = QueueState::kPaused}).has_value());
  ASSERT_TRUE(replica.Run(Join{kShow, "ann"}).has_value());
  ASSERT_TRUE(replica.Run(Join{kShow, "bob"}).has_value());
  ASSERT_EQ(server.AskOne({"FLUSHALL"}), "OK");
  const SessionAnswer eve = SessionIn(replica.Run(Join{kShow, "eve"}));
  EXPECT_EQ(eve.claims.sequence, 1);
  EXPECT_EQ(eve.queue_state, QueueState::kPaused) << "an operator's word is no place in it";
  EXPECT_EQ(eve.state, SessionState::kWaiting);
  Replica second(server.Url(), clock_);
  const SessionAnswer again = SessionIn(second.Run(Join{kShow, "eve"}));
  EXPECT_EQ(again.claims.sequence, 1);
  EXPECT_EQ(again.queue_state, QueueState::kPaused);
}

TEST_F(QueueRedisTest, AListOfShowsThatWasLostComesBack) {
  testbed::RedisServer& server = testbed::EmptyRedis();
  {
    Replica replica(server.Url(), clock_);
    ASSERT_TRUE(replica.Run(Join{kShow, "ann"}).has_value());
  }
  ASSERT_EQ(server.AskOne({"DEL", std::string(kShowsKey)}), "1");
  Replica replica(server.Url(), clock_);
  EXPECT_EQ(SessionIn(replica.Run(Join{kShow, "bob"})).claims.sequence, 2);
  EXPECT_EQ(SessionIn(replica.Run(Join{kShow, "ann"})).claims.sequence, 1);
}

TEST_F(QueueRedisTest, SlotsMoveWhilePeopleJoin) {
  testbed::RedisCluster& cluster = testbed::EmptyRedisCluster();
  Replica replica(cluster.Url(), clock_);
  const uint16_t slot = redis::SlotOf(KeyOf(kShow, "show"));
  const size_t from = cluster.MasterOf(slot);
  const size_t to = cluster.MasterOf(0) != from ? cluster.MasterOf(0) : cluster.MasterOf(redis::kSlots - 1);
  ASSERT_NE(from, to);
  ASSERT_TRUE(replica.Run(Join{kShow, "before"}).has_value());
  cluster.BeginMove(slot, to);
  // A save names keys that do not exist yet, and Redis says TRYAGAIN for them until the slot has moved.
  auto during = std::async(std::launch::async, [&] { return replica.JoinInTheEnd("during"); });
  std::promise<void>().get_future().wait_for(milliseconds(100));
  cluster.MoveKeys(slot, to);
  cluster.EndMove(slot, to);
  ASSERT_TRUE(during.get().has_value());
  ASSERT_TRUE(replica.Run(Join{kShow, "after"}).has_value());
  EXPECT_EQ(replica.Stored().size(), 3);
  EXPECT_EQ(cluster.node(to).AskOne({"HGET", KeyOf(kShow, "show"), "last"}), "3");
}

TEST_F(QueueRedisTest, ScriptsThatTheServerForgotAreSentAgain) {
  testbed::RedisServer& server = testbed::EmptyRedis();
  Replica replica(server.Url(), clock_);
  ASSERT_TRUE(replica.Run(Join{kShow, "ann"}).has_value());
  ASSERT_EQ(server.AskOne({"SCRIPT", "FLUSH"}), "OK");
  EXPECT_TRUE(replica.Run(Join{kShow, "bob"}).has_value());
}

TEST_F(QueueRedisTest, ARestartedServerGoesOnWithItsData) {
  testbed::RedisServer server;
  Replica replica(server.Url(), clock_);
  const SessionAnswer ann = SessionIn(replica.Run(Join{kShow, "ann"}));
  server.AwaitLogged();
  server.Kill9();
  EXPECT_FALSE(replica.Run(Join{kShow, "bob"}).has_value());
  server.Start();
  const auto bob = replica.JoinInTheEnd("bob");
  ASSERT_TRUE(bob.has_value());
  EXPECT_EQ(bob->claims.sequence, 2);
  EXPECT_EQ(SessionIn(replica.Run(Join{kShow, "ann"})).claims, ann.claims);
}

TEST_F(QueueRedisTest, AFrozenServerIsAnErrorInTimeAndRecovers) {
  testbed::RedisServer server;
  Replica replica(server.Url(), clock_, kQuick);
  ASSERT_TRUE(replica.JoinInTheEnd("ann").has_value());
  server.Freeze();
  const auto start = SteadyClock::now();
  // A whole batch, which the executor splits to find a bad command: that must not cost a time-out each.
  std::vector<std::future<Result<Outcome>>> running;
  for (int i = 0; i < 100; ++i) running.push_back(replica.Submit(Join{kShow, "user" + std::to_string(i)}));
  for (auto& outcome : running) {
    const auto joined = outcome.get();
    ASSERT_FALSE(joined.has_value());
    // Unknown is what the frozen server was sent before it answered no more.
    EXPECT_THAT(joined.error().reason, testing::AnyOf("database_unavailable", "commit_unknown"));
  }
  EXPECT_LT(SteadyClock::now() - start, seconds(60));
  EXPECT_FALSE(replica.store_works());
  server.Thaw();
  ASSERT_TRUE(replica.JoinInTheEnd("bob").has_value());
  const auto ann = replica.JoinInTheEnd("ann");
  ASSERT_TRUE(ann.has_value());
  EXPECT_EQ(ann->claims.sequence, 1);
}

TEST_F(QueueRedisTest, SomebodyWhoWaitsTakesFewBytes) {
  testbed::RedisServer& server = testbed::EmptyRedis();
  const Stores stores = *OpenRedis(server.Url(), redis::kPatient);
  const auto used = [&] {
    const std::string info = server.AskOne({"INFO", "memory"});
    const auto field = [&](const std::string& name) {
      return Number(info.substr(info.find(name) + name.size()));
    };
    // Without what waits for a slow disk, or to be sent.
    return field("used_memory:") - field("mem_aof_buffer:") - field("mem_clients_normal:");
  };
  constexpr uint64_t kPeople = 50'000;
  constexpr uint64_t kBatch = 1'000;
  const auto session_of = [&](uint64_t sequence) {
    return Session{.show_id = kShow,
                   .sequence = sequence,
                   .user_id = Uuid::MakeV7(clock_.Now(), random_).ToString(),
                   .state = SessionState::kWaiting,
                   .joined_at = clock_.Now()};
  };
  const int64_t before = used();
  int64_t version = 0;
  for (uint64_t sequence = 1; sequence <= kPeople;) {
    ShowChange change{.show = {.show_id = kShow, .version = version++}, .durable = true};
    for (uint64_t i = 0; i < kBatch; ++i) {
      change.sessions.push_back({.session = session_of(sequence++), .is_new = true, .parts = {.row = true}});
    }
    change.show.last_sequence = sequence - 1;
    ASSERT_TRUE(stores.store->Save({.shows = {std::move(change)}})->moved_shows.empty());
  }
  const auto bytes = static_cast<double>(used() - before) / kPeople;
  RecordProperty("bytes", std::to_string(bytes));
  EXPECT_LT(bytes, 64) << "see store_redis_row.h";
}

TEST_F(QueueRedisTest, WhatNobodyCanNameAnyLongerGoesByItself) {
  testbed::RedisServer& server = testbed::EmptyRedis();
  Replica replica(server.Url(), clock_);
  const SessionAnswer ann = SessionIn(replica.Run(Join{kShow, "ann"}));
  const auto left_ms = [&](const std::string& key) { return Number(server.AskOne({"PTTL", key})); };
  EXPECT_GT(left_ms(BucketKey(kShow, "session", 0)), (kTokenLife + kClockSkew).count());
  EXPECT_LE(left_ms(BucketKey(kShow, "session", 0)), kKeyLife.count());
  EXPECT_GT(left_ms(KeyOf(kShow, "member")), (kTokenLife + kClockSkew).count());
  const SagaCall call{SagaId::Make(clock_.Now(), random_), ReservationId::Make(clock_.Now(), random_), "ann",
                      kShow};
  ASSERT_TRUE(replica.Run(Bind{call, TicketOf(ann)}).has_value());
  EXPECT_GT(left_ms(BucketKey(kShow, "binding", 0)), (kTokenLife + kClockSkew).count());
  ASSERT_TRUE(replica.Run(Unbind{call}).has_value());
  ASSERT_EQ(server.AskOne({"SCARD", KeyOf(kShow, "member")}), "1");
  ASSERT_TRUE(replica.Run(Leave{TicketOf(ann), "ann"}).has_value());
  EXPECT_EQ(server.AskOne({"SCARD", KeyOf(kShow, "member")}), "0");
  EXPECT_GT(left_ms(KeyOf(kShow, "saga")), (kTokenLife + kClockSkew).count());
  EXPECT_EQ(left_ms(KeyOf(kShow, "show")), -1) << "what an operator has set stays";
}

// What is marked would be written over.
TEST_F(QueueRedisTest, ACommandWritesOfASessionOnlyWhatItChanges) {
  testbed::RedisServer& server = testbed::EmptyRedis();
  Replica replica(server.Url(), clock_);
  const SessionAnswer ann = SessionIn(replica.Run(Join{kShow, "ann"}));
  const std::string session = BucketKey(kShow, "session", 0);
  const std::string binding = BucketKey(kShow, "binding", 0);
  const std::string member = KeyOf(kShow, "member");
  const std::string field = FieldOf(ann.claims.sequence);
  const SagaCall call{SagaId::Make(clock_.Now(), random_), ReservationId::Make(clock_.Now(), random_), "ann",
                      kShow};
  ASSERT_EQ(server.AskOne({"HSET", session, field, "marked"}), "0");
  ASSERT_EQ(server.AskOne({"SREM", member, "1"}), "1");
  ASSERT_TRUE(replica.Run(Bind{call, TicketOf(ann)}).has_value());
  EXPECT_EQ(server.AskOne({"HGET", session, field}), "marked");
  EXPECT_EQ(server.AskOne({"SCARD", member}), "0");
  ASSERT_EQ(server.AskOne({"HSET", binding, field, "marked"}), "0") << "it was written";
  ASSERT_EQ(server.AskOne({"SADD", member, "1"}), "1");
  ASSERT_TRUE(replica.Run(Complete{call}).has_value());
  EXPECT_EQ(server.AskOne({"HGET", binding, field}), "marked");
  EXPECT_NE(server.AskOne({"HGET", session, field}), "marked");
  EXPECT_EQ(server.AskOne({"SCARD", member}), "0");
}

// A show that is over would cost each election a question of its own.
TEST_F(QueueRedisTest, OfAShowInWhichNobodyWaitsNoLineIsRead) {
  testbed::RedisServer& server = testbed::EmptyRedis();
  const Stores stores = *OpenRedis(server.Url(), redis::kPatient);
  Changes changes;
  for (int64_t show_id = 1; show_id <= 3; ++show_id) {
    changes.shows.push_back(
        {.show = {.show_id = show_id, .last_sequence = 1, .head_sequence = 1}, .durable = true});
  }
  ASSERT_TRUE(stores.store->Save(changes)->moved_shows.empty());
  ASSERT_EQ(server.AskOne({"CONFIG", "RESETSTAT"}), "OK");
  int shows = 0;
  ASSERT_TRUE(stores.store->VisitLive([&](const Show&) { ++shows; }, [](const Session&) {}));
  EXPECT_EQ(shows, 3);
  EXPECT_EQ(HashesRead(server), 3) << "the rows of the shows";
}

TEST_F(QueueRedisTest, APurgeReadsFewBucketsOfALineThatHasGoneByItselfAndTheNextGoesOn) {
  testbed::RedisServer& server = testbed::EmptyRedis();
  const Stores stores = *OpenRedis(server.Url(), redis::kPatient);
  Session ended{.show_id = kShow,
                .sequence = 20 * kBucketSize,
                .user_id = "ann",
                .state = SessionState::kExpired,
                .joined_at = clock_.Now()};
  Session waiting = ended;
  waiting.sequence = ended.sequence + 1;
  waiting.state = SessionState::kWaiting;
  ShowChange change{.show = {.show_id = kShow, .last_sequence = waiting.sequence}, .durable = true};
  for (const Session& session : {ended, waiting})
    change.sessions.push_back({.session = session, .is_new = true, .parts = {.row = true}});
  ASSERT_TRUE(stores.store->Save({.shows = {change}})->moved_shows.empty());
  constexpr auto kLimit = static_cast<int64_t>(4 * kBucketSize);
  const auto purge = [&] { return stores.store->Purge(clock_.Now() + milliseconds(1), kLimit)->rows; };
  ASSERT_EQ(server.AskOne({"CONFIG", "RESETSTAT"}), "OK");
  EXPECT_EQ(purge(), 0);
  EXPECT_EQ(HashesRead(server), 5);
  int64_t rows = 0;
  for (int i = 0; i < 4; ++i) rows += purge();
  EXPECT_EQ(rows, 1);
  EXPECT_THAT(*stores.history->Sessions(kShow, 0, 10), testing::ElementsAre(waiting));
}

TEST_F(QueueRedisTest, ABadUrlIsToldAtOnce) {
  EXPECT_EQ(OpenRedis("redis://").error().reason, "invalid_redis_url");
}

// The lead: of two processes, and of what Redis does meanwhile.
class QueueLeaderTest : public QueueRedisTest {
 protected:
  using Until = Result<std::optional<Leadership::Moment>>;

  std::unique_ptr<Leadership> Candidate(const std::string& url, milliseconds lease = seconds(60)) {
    return std::move(OpenRedis(url, redis::kPatient, lease).value().leadership);
  }
  static bool Held(const Until& until) { return until && until->has_value(); }
  static bool Refused(const Until& until) { return until && !until->has_value(); }
};

TEST_F(QueueLeaderTest, OfTwoProcessesOneLeadsUntilItGivesTheLeadUp) {
  for (const std::string& url : {testbed::EmptyRedis().Url(), testbed::EmptyRedisCluster().Url()}) {
    const auto first = Candidate(url);
    const auto second = Candidate(url);
    ASSERT_TRUE(Held(first->Take()));
    EXPECT_TRUE(Refused(second->Take()));
    EXPECT_TRUE(Refused(second->Renew()));
    ASSERT_TRUE(second->Release()) << "it has nothing to give up";
    EXPECT_TRUE(Held(first->Renew()));
    ASSERT_TRUE(first->Release());
    EXPECT_TRUE(Held(second->Take()));
    EXPECT_TRUE(Refused(first->Renew()));
  }
}

TEST_F(QueueLeaderTest, TheLeadOfAProcessThatDoesNotRenewItEndsHereBeforeAnotherCanTakeIt) {
  const std::string url = testbed::EmptyRedis().Url();
  const auto first = Candidate(url, milliseconds(300));
  const auto second = Candidate(url);
  const Until until = first->Take();
  ASSERT_TRUE(Held(until));
  while (!Held(second->Take())) std::promise<void>().get_future().wait_for(milliseconds(5));
  EXPECT_GE(SteadyClock::now(), **until);
  EXPECT_TRUE(Refused(first->Renew()));
  EXPECT_TRUE(Refused(first->Take()));
}

// Another process may have led between the two.
TEST_F(QueueLeaderTest, ALeadThatWasLostIsNotRenewedThoughNobodyHasIt) {
  testbed::RedisServer& server = testbed::EmptyRedis();
  const auto leadership = Candidate(server.Url());
  ASSERT_TRUE(Held(leadership->Take()));
  ASSERT_EQ(server.AskOne({"DEL", "queue:leader"}), "1");
  EXPECT_TRUE(Refused(leadership->Renew()));
  EXPECT_TRUE(Held(leadership->Take()));
}

TEST_F(QueueLeaderTest, ALeadOutlivesACrashOfRedis) {
  testbed::RedisServer server({"--appendfsync", "always"});
  const auto first = Candidate(server.Url());
  const auto second = Candidate(server.Url());
  ASSERT_TRUE(Held(first->Take()));
  server.Kill9();
  EXPECT_EQ(first->Renew().error().reason, "database_unavailable");
  server.Start();
  EXPECT_TRUE(testbed::Eventually([&] { return Held(first->Renew()); }));
  EXPECT_TRUE(testbed::Eventually([&] { return Refused(second->Take()); }));
}

// Also what nobody is told of when it fails, as the end of a snapshot.
TEST_F(QueueRedisTest, TheCommandsThatTheGuideNamesAreEnough) {
  const testbed::RedisServer server;
  const std::string url = server.GuideUrl();
  {
    Replica replica(url, clock_);
    ASSERT_TRUE(replica.Run(Configure{.show_id = kShow, .active_cap = 1}).has_value());
    const SessionAnswer ann = SessionIn(replica.Run(Join{kShow, "ann"}));
    ASSERT_TRUE(replica.Run(Join{kShow, "bob"}).has_value());
    const SagaCall call{SagaId::Make(clock_.Now(), random_), ReservationId::Make(clock_.Now(), random_),
                        "ann", kShow};
    ASSERT_TRUE(replica.Run(Bind{call, TicketOf(ann)}).has_value());
    ASSERT_TRUE(replica.Run(Unbind{call}).has_value());
    ASSERT_TRUE(replica.Run(Leave{TicketOf(ann), "ann"}).has_value());
    ASSERT_TRUE(replica.Run(Tick{}).has_value());
  }
  Replica again(url, clock_);
  Stores stores = OpenRedis(url, redis::kPatient, seconds(60)).value();
  ASSERT_TRUE(stores.leadership->Take()->has_value());
  ASSERT_TRUE(stores.leadership->Renew()->has_value());
  ASSERT_TRUE(stores.leadership->Release());
  {
    const auto snapshot = SnapshotOf(std::move(stores.history));
    ASSERT_TRUE(snapshot->Hold());
    archive::Digest digest;
    ASSERT_TRUE(snapshot->Dump(digest));
  }
  const auto purged = stores.store->Purge(clock_.Now() + std::chrono::hours(1), 100);
  ASSERT_TRUE(purged.has_value()) << purged.error().detail;
  EXPECT_EQ(purged->rows, 2) << "a session and a saga";
  EXPECT_THAT(server.Refused(), testing::ElementsAre("info"));
}

TEST_F(QueueRedisTest, ASnapshotLeavesNothingBehindAndSaysSoWhenItWasLost) {
  testbed::RedisServer& server = testbed::EmptyRedis();
  Stores serving = OpenRedis(server.Url(), redis::kPatient).value();
  ShowChange change{.show = {.show_id = kShow, .last_sequence = 300}, .durable = true};
  for (uint64_t s = 1; s <= 300; ++s) {
    const Session session{.show_id = kShow,
                          .sequence = s,
                          .user_id = "user",
                          .state = SessionState::kWaiting,
                          .joined_at = FromUnixMs(1'800'000'000'000)};
    change.sessions.push_back({.session = session, .is_new = true, .parts = {.row = true}});
  }
  ASSERT_TRUE(serving.store->Save({.shows = {change}}));
  const std::string keys = server.AskOne({"DBSIZE"});
  const std::string show_copies = "return #redis.call('KEYS', '{show:7}:backup-*')";
  {
    const auto snapshot = SnapshotOf(std::move(serving.history));
    ASSERT_TRUE(snapshot->Hold());
    EXPECT_EQ(server.AskOne({"EVAL", show_copies, "0"}), "4") << "the row, and three buckets";
    archive::Digest digest;
    ASSERT_TRUE(snapshot->Dump(digest));
    EXPECT_EQ(digest.rows(), 301);
    // As after an hour.
    ASSERT_EQ(
        server.AskOne({"EVAL",
                       "for _, k in ipairs(redis.call('KEYS', '{show:7}:backup-*')) do "
                       "if redis.call('PTTL', k) < 0 then return 0 end redis.call('DEL', k) end return 1",
                       "0"}),
        "1");
    archive::Digest late;
    EXPECT_FALSE(snapshot->Dump(late).has_value()) << "rows are never missing without a word";
  }
  EXPECT_EQ(server.AskOne({"DBSIZE"}), keys);
  Stores again = OpenRedis(server.Url(), redis::kPatient).value();
  {
    const auto snapshot = SnapshotOf(std::move(again.history));
    ASSERT_TRUE(snapshot->Hold());
  }
  EXPECT_EQ(server.AskOne({"DBSIZE"}), keys) << "the copies go with the snapshot";
}

}  // namespace
}  // namespace boxoffice::queue
