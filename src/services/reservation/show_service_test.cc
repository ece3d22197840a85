// The work on whole shows: a COMMIT that was done, and nobody is told; more places than a look sees.
#include "services/reservation/saga/show_service.h"

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "services/reservation/saga/testing_saga.h"
#include "services/reservation/store_show_sqlite.h"
#include "services/reservation/store_sqlite.h"
#include "services/reservation/testing_service.h"
#include "testing/temp_dir.h"

namespace boxoffice::reservation {
namespace {

constexpr int64_t kShow = 7;

// The next COMMIT is done, and its answer lost, if it is told so. Used by the batch executor's thread.
class LosingStore final : public ShowStore {
 public:
  explicit LosingStore(std::unique_ptr<ShowStore> store) : store_(std::move(store)) {}
  Result<ShowRows> Load(const ShowKeys& keys, Timestamp now) override { return store_->Load(keys, now); }
  Result<bool> Save(const ShowChanges& changes) override {
    auto saved = store_->Save(changes);
    if (!loses.exchange(false)) return saved;
    return Fail(Code::kUnknown, "commit_unknown", "the connection was lost");
  }
  std::atomic<bool> loses = false;

 private:
  const std::unique_ptr<ShowStore> store_;
};

// One show with one seat, which is sold.
class SoldOut final : public Shows {
 public:
  ShowView view;
  asio::awaitable<Result<ShowView>> Get(int64_t) override { co_return view; }
  asio::awaitable<Result<void>> Cancel(int64_t) override { co_return Result<void>(); }
  asio::awaitable<Result<Hall>> SeeSeats(int64_t) override {
    co_return Hall{std::make_shared<const std::vector<HallSeat>>(1), {false}};
  }
  asio::awaitable<Result<void>> SetWaitlistFirst(int64_t, bool) override { co_return Result<void>(); }
};

class ShowServiceTest : public ::testing::Test {
 protected:
  ShowServiceTest() {
    obs::SetLogLevel(obs::Level::kError);
    ServiceConfig sagas;
    sagas.owner = "me";
    sagas_ = std::make_unique<Service>(std::move(sagas), io_.get_executor(), rows_, no_rows_, world_, clock_,
                                       random_, metrics_, [] {});
    ShowServiceConfig config;
    config.owner = "me";
    config.scan_every = milliseconds(1);
    config.poll_every = milliseconds(0);
    config.max_open = 2;
    service_ = std::make_unique<ShowService>(std::move(config), io_.get_executor(), store_, *reader_,
                                             no_rows_, *sagas_, shows_, clock_, random_, metrics_);
  }
  Result<WaitlistEntry> Join(std::string user) {
    JoinWaitlist command{kShow, std::move(user), {}};
    command.wish.best_count = 1;
    return Await(service_->Join(std::move(command)));
  }
  Result<WaitlistEntry> Leave(std::string user) { return Await(service_->Leave({kShow, std::move(user)})); }

  // Runs what is to be done until then; false: it never came so far.
  bool RunUntil(const std::function<bool()>& done) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!done() && std::chrono::steady_clock::now() < end) {
      io_.restart();
      io_.run_for(milliseconds(1));
    }
    return done();
  }
  size_t OpenPlaces() {
    WaitlistQuery query;
    query.show_id = kShow;
    query.open_only = true;
    return reader_->List(query)->entries.size();
  }
  void StopWorking() {
    bool drained = false;
    asio::co_spawn(io_, service_->Drain(std::chrono::seconds(20)),
                   [&drained](const std::exception_ptr&) { drained = true; });
    EXPECT_TRUE(RunUntil([&] { return drained; }));
    io_.restart();
    io_.run();
  }

  const testbed::TempDir dir_;
  const std::filesystem::path file_ = dir_.path() / "reservation.db";
  ManualClock clock_;
  SeededRandom random_{7};
  obs::Registry metrics_;
  asio::io_context io_;
  SharedStore rows_;
  EmptyReader no_rows_;
  World world_;
  const std::unique_ptr<Store> migrated_ = SqliteStore::Open(file_, random_).value();
  LosingStore store_{SqliteShowStore::Open(file_).value()};
  const std::unique_ptr<ShowReader> reader_ = SqliteShowReader::Open(file_).value();
  SoldOut shows_;
  std::unique_ptr<Service> sagas_;
  std::unique_ptr<ShowService> service_;

 private:
  Result<WaitlistEntry> Await(asio::awaitable<Result<WaitlistEntry>> asked) {
    std::optional<Result<WaitlistEntry>> got;
    asio::co_spawn(io_, std::move(asked),
                   [&got](const std::exception_ptr& failed, Result<WaitlistEntry> answer) {
                     if (!failed) got = std::move(answer);
                   });
    (void)RunUntil([&] { return got.has_value(); });
    return got.value_or(Fail(Code::kInternal, "no_answer"));
  }
};

TEST_F(ShowServiceTest, WhoseLeaveWasCommittedUnknownIsToldThatSheHasLeft) {
  ASSERT_TRUE(Join("mina"));
  store_.loses = true;
  const auto left = Leave("mina");
  ASSERT_FALSE(store_.loses);
  ASSERT_TRUE(left) << ErrorOf(left) << ": she has left, and is told so";
  EXPECT_EQ(left->state, EntryState::kLeft);
  EXPECT_EQ(ErrorOf(Leave("mina")), "not_on_waitlist") << "that is another request";
}

TEST_F(ShowServiceTest, WhoseJoinWasCommittedUnknownHasOnePlace) {
  store_.loses = true;
  const auto joined = Join("mina");
  ASSERT_TRUE(joined) << ErrorOf(joined);
  EXPECT_EQ(joined->place, 1);
  EXPECT_EQ(Join("jun")->place, 2);
}

TEST_F(ShowServiceTest, WhoWaitsBehindAllThatALookSeesIsToldTooThatTheShowIsCancelled) {
  for (const char* const user : {"ann", "ben", "cho", "dan", "eve"}) ASSERT_TRUE(Join(user)) << user;
  shows_.view.phase = ShowPhase::kCancelled;
  service_->StartWorking();
  EXPECT_TRUE(RunUntil([this] { return OpenPlaces() == 0; })) << OpenPlaces() << " wait for nothing";
  StopWorking();
}

}  // namespace
}  // namespace boxoffice::reservation
