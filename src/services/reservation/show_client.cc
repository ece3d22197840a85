#include "services/reservation/show_client.h"

#include <utility>

namespace boxoffice::reservation {
namespace {

constexpr size_t kMaxLayouts = 64;
constexpr int kStatesPerByte = 4;  // 2 bits each

std::shared_ptr<rpc::Peer> MakePeer(const asio::any_io_executor& executor,
                                    const rpc::ChannelFactory& channels, obs::Registry& metrics) {
  rpc::PeerOptions options;
  options.name = "reservation-shows";
  options.service = "seat";
  return std::make_shared<rpc::Peer>(std::move(options), channels, executor, metrics);
}

ShowPhase PhaseFrom(seat::v1::ShowState state) {
  switch (state) {
    case seat::v1::ANNOUNCED:
      return ShowPhase::kAnnounced;
    case seat::v1::SOLD_OUT:
      return ShowPhase::kSoldOut;
    case seat::v1::PAST:
      return ShowPhase::kPast;
    case seat::v1::DRAFT:
      return ShowPhase::kDraft;
    case seat::v1::CANCELLED:
      return ShowPhase::kCancelled;
    default:
      return ShowPhase::kOnSale;
  }
}

ShowView ViewOf(const seat::v1::Show& show) {
  return {PhaseFrom(show.state()), FromUnixMs(show.starts_at_ms()), show.seat_limit(), show.waitlist_first()};
}

}  // namespace

ShowClient::ShowClient(asio::any_io_executor executor, const rpc::ChannelFactory& channels,
                       obs::Registry& metrics, std::chrono::milliseconds timeout)
    : executor_(executor),
      timeout_(timeout),
      seat_(MakePeer(executor, channels, metrics), slot_, &seat::v1::SeatService::NewStub) {}

template <typename Response, typename Request, typename Start>
asio::awaitable<Result<Response>> ShowClient::Call(Request request, Start start) {
  return rpc::Ask<Response>(executor_, slot_, std::move(request), timeout_, std::move(start));
}

asio::awaitable<Result<ShowView>> ShowClient::Get(int64_t show_id) {
  seat::v1::GetShowRequest request;
  request.set_id(show_id);
  request.set_drafts(true);
  request.set_fresh(true);
  auto start = [this](auto... arguments) { seat_->async()->GetShow(arguments...); };
  auto show = co_await Call<seat::v1::Show>(request, start);
  if (!show) co_return std::unexpected(show.error());
  co_return ViewOf(*show);
}

asio::awaitable<Result<void>> ShowClient::Cancel(int64_t show_id) {
  seat::v1::ChangeShowStateRequest request;
  request.set_id(show_id);
  request.set_state(seat::v1::CANCELLED);
  auto start = [this](auto... arguments) { seat_->async()->ChangeShowState(arguments...); };
  auto show = co_await Call<seat::v1::Show>(request, start);
  if (!show) co_return std::unexpected(show.error());
  co_return Result<void>();
}

asio::awaitable<Result<Hall>> ShowClient::SeeSeats(int64_t show_id) {
  if (layouts_.size() > kMaxLayouts) layouts_.clear();
  seat::v1::GetSeatMapRequest request;
  request.set_show_id(show_id);
  if (const auto known = layouts_.find(show_id); known != layouts_.end()) {
    request.set_states_only(true);
    request.set_layout_version(known->second.version);
  }
  auto start = [this](auto... arguments) { seat_->async()->GetSeatMap(arguments...); };
  auto map = co_await Call<seat::v1::SeatMap>(request, start);
  if (!map) co_return std::unexpected(map.error());
  if (!map->layout().empty()) {
    std::vector<HallSeat> seats;
    seats.reserve(static_cast<size_t>(map->layout_size()));
    for (const auto& seat : map->layout()) {
      const bool ordinary = !seat.accessible() && seat.companion_of() == 0;
      seats.push_back({seat.section(), seat.category(), seat.price(), ordinary});
    }
    layouts_[show_id] = {std::make_shared<const std::vector<HallSeat>>(std::move(seats)),
                         map->layout_version()};
  }
  Hall hall;
  hall.seats = layouts_[show_id].seats;
  if (hall.seats == nullptr) co_return Fail(Code::kUnavailable, "layout_missing", "no layout was told");
  hall.free.reserve(hall.seats->size());
  for (size_t i = 0; i < hall.seats->size(); ++i) {
    const size_t byte = i / kStatesPerByte;
    const auto states =
        byte < map->states().size() ? static_cast<uint8_t>(map->states()[byte]) : uint8_t{0xff};
    hall.free.push_back(((states >> (2 * (i % kStatesPerByte))) & 3) == 0);
  }
  co_return hall;
}

asio::awaitable<Result<ShowView>> ShowClient::SetWaitlistFirst(int64_t show_id, bool first) {
  seat::v1::SetWaitlistFirstRequest request;
  request.set_show_id(show_id);
  request.set_first(first);
  auto start = [this](auto... arguments) { seat_->async()->SetWaitlistFirst(arguments...); };
  auto show = co_await Call<seat::v1::Show>(request, start);
  if (!show) co_return std::unexpected(show.error());
  co_return ViewOf(*show);
}

}  // namespace boxoffice::reservation
