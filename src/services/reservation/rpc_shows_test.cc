// Calls about whole shows, as they come in: whose caller has gone, and how many are before whom.
#include "services/reservation/rpc_shows.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <gmock/gmock.h>

#include "boxoffice/reservation/v1/reservation.grpc.pb.h"
#include "platform/rpc/host.h"
#include "services/reservation/saga/testing_saga.h"
#include "services/reservation/store_show_sqlite.h"
#include "services/reservation/store_sqlite.h"
#include "services/reservation/testing_service.h"
#include "testing/temp_dir.h"
#include "testing/wait.h"

namespace boxoffice::reservation {
namespace {

using ::testing::ElementsAre;

constexpr int64_t kShow = 7;

// The places that it is told, of kShow. Used by the thread for queries, set while nobody reads.
class PlacesReader final : public EmptyShowReader {
 public:
  std::vector<WaitlistEntry> entries;
  std::atomic<int> counted = 0;
  uint64_t before_first = 0;  // who has a place before these
  Result<WaitlistPage> List(const WaitlistQuery&) override { return WaitlistPage{entries, false}; }
  Result<uint64_t> CountBefore(int64_t, uint64_t place) override {
    ++counted;
    uint64_t before = before_first;
    for (const WaitlistEntry& entry : entries) before += entry.place < place && IsOpen(entry.state) ? 1 : 0;
    return std::min(before, kMaxBefore);
  }
};

// Its calls about waitlists.
class WaitlistCalls final : public v1::ReservationService::CallbackService {
 public:
  explicit WaitlistCalls(ShowRpc& shows) : shows_(shows) {}
  grpc::ServerUnaryReactor* JoinWaitlist(grpc::CallbackServerContext* context,
                                         const v1::JoinWaitlistRequest* request,
                                         v1::WaitlistEntry* response) override {
    grpc::ServerUnaryReactor* const reactor = shows_.JoinWaitlist(context, *request, response);
    came = context;
    return reactor;
  }
  grpc::ServerUnaryReactor* ListWaitlist(grpc::CallbackServerContext* context,
                                         const v1::ListWaitlistRequest* request,
                                         v1::ListWaitlistResponse* response) override {
    return shows_.ListWaitlist(context, *request, response);
  }
  std::atomic<grpc::CallbackServerContext*> came = nullptr;  // whoever joins last

 private:
  ShowRpc& shows_;
};

class ShowRpcTest : public ::testing::Test {
 protected:
  ShowRpcTest() {
    ServiceConfig config;
    config.owner = "me";
    service_ = std::make_unique<Service>(std::move(config), io_.get_executor(), rows_, reader_, places_,
                                         world_, clock_, random_, metrics_, [] {});
    show_service_ =
        std::make_unique<ShowService>(ShowServiceConfig(), io_.get_executor(), *show_store_, places_, reader_,
                                      *service_, shows_, clock_, random_, metrics_);
    rpc_ = std::make_unique<ShowRpc>(io_.get_executor(), *show_service_, places_);
    calls_ = std::make_unique<WaitlistCalls>(*rpc_);
    host_.Start(*calls_, {}).value();
    stub_ = v1::ReservationService::NewStub(host_.InProcessChannel());
  }
  void Place(EntryState state, uint64_t place = 0) {
    WaitlistEntry entry;
    entry.show_id = kShow;
    entry.place = place == 0 ? places_.entries.size() + 1 : place;
    entry.state = state;
    places_.entries.push_back(std::move(entry));
  }
  // Of each entry: how many are said to be before it.
  std::vector<uint64_t> List(const std::string& user_id = "") {
    v1::ListWaitlistRequest request;
    if (user_id.empty()) request.set_show_id(kShow);
    request.set_user_id(user_id);
    v1::ListWaitlistResponse response;
    grpc::ClientContext context;
    EXPECT_TRUE(stub_->ListWaitlist(&context, request, &response).ok());
    std::vector<uint64_t> before;
    for (const auto& entry : response.entries()) before.push_back(entry.before());
    return before;
  }

  const testbed::TempDir dir_;
  const std::filesystem::path file_ = dir_.path() / "reservation.db";
  ManualClock clock_;
  SeededRandom random_{7};
  obs::Registry metrics_;
  asio::io_context io_;
  SharedStore rows_;
  EmptyReader reader_;
  PlacesReader places_;
  World world_;
  NoShows shows_;
  const std::unique_ptr<Store> migrated_ = SqliteStore::Open(file_, random_).value();
  const std::unique_ptr<ShowStore> show_store_ = SqliteShowStore::Open(file_).value();
  std::unique_ptr<Service> service_;
  std::unique_ptr<ShowService> show_service_;
  std::unique_ptr<ShowRpc> rpc_;
  std::unique_ptr<WaitlistCalls> calls_;
  rpc::Host host_;
  std::unique_ptr<v1::ReservationService::Stub> stub_;
};

// Under overload the service's thread would else be busy for those who were told "timeout" long ago.
TEST_F(ShowRpcTest, WhoHasGoneBeforeItsTurnIsAskedNothingFor) {
  v1::JoinWaitlistRequest request;
  request.set_show_id(kShow);
  request.set_user_id("mina");
  request.mutable_wish()->set_count(1);
  for (const bool goes : {true, false}) {
    calls_->came = nullptr;
    v1::WaitlistEntry response;
    grpc::ClientContext context;
    std::atomic<bool> ended = false;
    stub_->async()->JoinWaitlist(&context, &request, &response, [&](const grpc::Status&) { ended = true; });
    ASSERT_TRUE(testbed::Eventually([this] { return calls_->came != nullptr; }));
    if (goes) {
      context.TryCancel();
      ASSERT_TRUE(testbed::Eventually([this] { return calls_->came.load()->IsCancelled(); }));
    }
    ASSERT_TRUE(RunFor(io_, std::chrono::seconds(20), [&] { return ended && (goes || shows_.asked > 0); }));
    io_.restart();
    io_.poll();
    EXPECT_EQ(shows_.asked, goes ? 0 : 1);
  }
}

TEST_F(ShowRpcTest, OfAShowsPageOnlyThoseBeforeTheFirstWhoWaitsAreCounted) {
  places_.before_first = 40;
  for (const EntryState state : {EntryState::kLeft, EntryState::kOffered, EntryState::kWaiting,
                                 EntryState::kOffered, EntryState::kLeft, EntryState::kWaiting}) {
    Place(state);
  }
  EXPECT_THAT(List(), ElementsAre(0, 0, 41, 0, 0, 43));
  EXPECT_EQ(places_.counted, 1);
}

TEST_F(ShowRpcTest, WhoIsBehindAThousandIsNotToldOfMore) {
  places_.before_first = kMaxBefore - 1;
  for (int i = 0; i < 3; ++i) Place(EntryState::kWaiting);
  EXPECT_THAT(List(), ElementsAre(kMaxBefore - 1, kMaxBefore, kMaxBefore));
}

TEST_F(ShowRpcTest, OfAUsersPlacesEachIsCountedByItself) {
  Place(EntryState::kWaiting, 5);
  Place(EntryState::kWaiting, 9);
  places_.entries[1].show_id = kShow - 1;
  (void)List("mina");
  EXPECT_EQ(places_.counted, 2);
}

}  // namespace
}  // namespace boxoffice::reservation
