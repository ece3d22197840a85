#include "services/reservation/rpc_shows.h"

#include <algorithm>
#include <optional>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <fmt/format.h>

#include "platform/rpc/field.h"
#include "platform/rpc/unary.h"
#include "services/reservation/saga/show_reads.h"
#include "services/reservation/store_show_record.h"

namespace boxoffice::reservation {
namespace {

constexpr uint32_t kMaxPage = 1'000;
constexpr uint32_t kDefaultPage = 50;
constexpr size_t kMaxReason = 500;
constexpr size_t kMaxName = 200;  // of sections and categories

Result<void> CheckShow(int64_t show_id) {
  if (show_id < 1) return Fail(Code::kNotFound, "show_not_found", "there is no such show");
  return {};
}

Result<BeginCancellation> CommandFrom(const v1::CancelShowRequest& request) {
  BOXOFFICE_TRY(CheckShow(request.show_id()));
  BOXOFFICE_ASSIGN(std::string reason, rpc::OptionalText("reason", request.reason(), kMaxReason));
  return BeginCancellation{request.show_id(), std::move(reason), request.operator_id()};
}

Result<JoinWaitlist> CommandFrom(const v1::JoinWaitlistRequest& request) {
  BOXOFFICE_TRY(CheckShow(request.show_id()));
  if (request.user_id().empty()) return rpc::InvalidField("user_id", "must be given");
  const auto& wish = request.wish();
  BOXOFFICE_TRY(rpc::OptionalText("wish.section", wish.section(), kMaxName));
  BOXOFFICE_TRY(rpc::OptionalText("wish.category", wish.category(), kMaxName));
  if (wish.max_price() < 0) return rpc::InvalidField("wish.max_price", "is at least 1");
  return JoinWaitlist{request.show_id(), request.user_id(), WishFrom(wish)};
}

}  // namespace

ShowRpc::ShowRpc(asio::any_io_executor executor, ShowService& service, ShowReader& reader)
    : executor_(std::move(executor)), service_(service), reader_(reader) {}

ShowRpc::~ShowRpc() { queries_.join(); }

template <typename Response, typename Ask>
grpc::ServerUnaryReactor* ShowRpc::Run(grpc::CallbackServerContext* context, Response* response, Ask ask) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  auto run = [](grpc::CallbackServerContext* caller, Ask asking, Response* out,
                grpc::ServerUnaryReactor* done) -> asio::awaitable<void> {
    if (rpc::EndIfLeft(*caller, *done)) co_return;
    auto answer = co_await asking();
    if (!answer) {
      done->Finish(rpc::ToStatus(answer.error()));
      co_return;
    }
    *out = *std::move(answer);
    done->Finish(grpc::Status::OK);
  };
  asio::co_spawn(executor_, run(context, std::move(ask), response, reactor), asio::detached);
  return reactor;
}

grpc::ServerUnaryReactor* ShowRpc::CancelShow(grpc::CallbackServerContext* context,
                                              const v1::CancelShowRequest& request,
                                              v1::ShowCancellation* response) {
  return Run(context, response, [this, request]() -> asio::awaitable<Result<v1::ShowCancellation>> {
    auto command = CommandFrom(request);
    if (!command) co_return std::unexpected(command.error());
    auto cancellation = co_await service_.Cancel(*std::move(command));
    if (!cancellation) co_return std::unexpected(cancellation.error());
    co_return ToProto(request.show_id(), *cancellation);
  });
}

grpc::ServerUnaryReactor* ShowRpc::GetShowCancellation(grpc::CallbackServerContext* context,
                                                       const v1::GetShowCancellationRequest& request,
                                                       v1::ShowCancellation* response) {
  return Run(context, response,
             [this, show_id = request.show_id()]() -> asio::awaitable<Result<v1::ShowCancellation>> {
               auto found = co_await service_.CancellationOf(show_id);
               if (!found) co_return std::unexpected(found.error());
               if (!*found) {
                 co_return Fail(Code::kNotFound, "show_not_cancelled", "nobody has cancelled that show");
               }
               co_return ToProto(show_id, **found);
             });
}

Result<v1::WaitlistEntry> ShowRpc::WithBefore(const WaitlistEntry& entry) {
  v1::WaitlistEntry proto = ToProto(entry);
  if (entry.state == EntryState::kWaiting) {
    BOXOFFICE_ASSIGN(const uint64_t before, reader_.CountBefore(entry.show_id, entry.place));
    proto.set_before(before);
  }
  return proto;
}

grpc::ServerUnaryReactor* ShowRpc::JoinWaitlist(grpc::CallbackServerContext* context,
                                                const v1::JoinWaitlistRequest& request,
                                                v1::WaitlistEntry* response) {
  return Run(context, response, [this, request]() -> asio::awaitable<Result<v1::WaitlistEntry>> {
    auto command = CommandFrom(request);
    if (!command) co_return std::unexpected(command.error());
    auto entry = co_await service_.Join(*std::move(command));
    if (!entry) co_return std::unexpected(entry.error());
    auto count = [&] { return WithBefore(*entry); };
    auto counted = co_await ReadOn(queries_, count);
    co_return counted;
  });
}

grpc::ServerUnaryReactor* ShowRpc::LeaveWaitlist(grpc::CallbackServerContext* context,
                                                 const v1::LeaveWaitlistRequest& request,
                                                 v1::WaitlistEntry* response) {
  return Run(context, response, [this, request]() -> asio::awaitable<Result<v1::WaitlistEntry>> {
    reservation::LeaveWaitlist command{request.show_id(), request.user_id()};
    auto entry = co_await service_.Leave(std::move(command));
    if (!entry) co_return std::unexpected(entry.error());
    co_return ToProto(*entry);
  });
}

grpc::ServerUnaryReactor* ShowRpc::ListWaitlist(grpc::CallbackServerContext* context,
                                                const v1::ListWaitlistRequest& request,
                                                v1::ListWaitlistResponse* response) {
  return rpc::Answer<v1::ListWaitlistResponse>(
      context, queries_, response, [this, request]() -> Result<v1::ListWaitlistResponse> {
        if (request.show_id() == 0 && request.user_id().empty()) {
          return rpc::InvalidField("user_id", "must be given without show_id");
        }
        WaitlistQuery query;
        query.show_id = request.show_id();
        query.user_id = request.user_id();
        if (request.open_only()) query.which = Places::kOpen;
        query.after_place = request.after_place();
        query.after_show_id = request.after_show_id();
        query.limit = request.limit() == 0 ? kDefaultPage : std::min(request.limit(), kMaxPage);
        return List(query);
      });
}

// Of all users of a show every place is there, in order: who is before the first that waits is counted, and
// the others by going on from there.
Result<v1::ListWaitlistResponse> ShowRpc::List(const WaitlistQuery& query) {
  BOXOFFICE_ASSIGN(const WaitlistPage page, reader_.List(query));
  const bool whole_show = query.show_id != 0 && query.user_id.empty();
  v1::ListWaitlistResponse list;
  std::optional<uint64_t> before;
  for (const WaitlistEntry& entry : page.entries) {
    v1::WaitlistEntry& told = *list.add_entries();
    told = ToProto(entry);
    if (entry.state == EntryState::kWaiting) {
      if (!before || !whole_show) {
        BOXOFFICE_ASSIGN(before, reader_.CountBefore(entry.show_id, entry.place));
      }
      told.set_before(*before);
    }
    if (before && IsOpen(entry.state)) before = std::min(*before + 1, kMaxBefore);
  }
  list.set_more(page.more);
  return list;
}

}  // namespace boxoffice::reservation
