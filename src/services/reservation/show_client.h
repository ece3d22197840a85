// The seat service, as the work on whole shows asks it: on a connection of its own, so that it takes nothing
// of the sagas' room.
#pragma once

#include <map>
#include <memory>

#include "boxoffice/seat/v1/seat.grpc.pb.h"
#include "platform/obs/metrics.h"
#include "platform/rpc/channels.h"
#include "platform/rpc/stubs.h"
#include "services/reservation/saga/shows.h"

namespace boxoffice::reservation {

// Runs on one thread, that of `executor`.
class ShowClient final : public Shows {
 public:
  ShowClient(asio::any_io_executor executor, const rpc::ChannelFactory& channels, obs::Registry& metrics,
             std::chrono::milliseconds timeout);

  asio::awaitable<Result<ShowView>> Get(int64_t show_id) override;
  asio::awaitable<Result<void>> Cancel(int64_t show_id) override;
  asio::awaitable<Result<Hall>> SeeSeats(int64_t show_id) override;
  asio::awaitable<Result<ShowView>> SetWaitlistFirst(int64_t show_id, bool first) override;

 private:
  struct Layout {
    std::shared_ptr<const std::vector<HallSeat>> seats;
    uint64_t version = 0;
  };
  template <typename Response, typename Request, typename Start>
  asio::awaitable<Result<Response>> Call(Request request, Start start);

  asio::any_io_executor executor_;
  const std::chrono::milliseconds timeout_;
  rpc::PickSlot slot_;
  rpc::Stubs<seat::v1::SeatService::Stub> seat_;
  std::map<int64_t, Layout> layouts_;  // of shows that were asked about
};

}  // namespace boxoffice::reservation
