#include "gateway/concert_pages.h"

#include <algorithm>
#include <utility>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "gateway/elsewhere.h"
#include "gateway/render.h"
#include "gateway/transfer.h"

namespace boxoffice::gateway {
namespace {

constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);

// Of lists in one order.
std::string_view KindOf(When when) {
  return when == seat::v1::ListConcertsRequest::PAST ? "past-concerts" : "concerts";
}

ConcertPages::Page Render(const seat::v1::ListConcertsResponse& list, When when) {
  std::string body = ConcertsResponse(list, when).body;
  std::string etag = TagOf(body);
  return {std::make_shared<const std::string>(std::move(body)), std::move(etag)};
}

}  // namespace

Result<ConcertsQuery> ReadConcertsQuery(const http::Request& request) {
  ConcertsQuery query;
  const std::string_view when = request.query("when").value_or("all");
  if (when == "upcoming") {
    query.when = seat::v1::ListConcertsRequest::UPCOMING;
  } else if (when == "past") {
    query.when = seat::v1::ListConcertsRequest::PAST;
  } else if (when != "all") {
    return Fail(Code::kInvalidArgument, "parameter_invalid", "field `when` is upcoming, past or all");
  }
  BOXOFFICE_ASSIGN(query.page, ReadNumberedPage(request, KindOf(query.when)));
  return query;
}

http::Response ConcertsResponse(const seat::v1::ListConcertsResponse& list, When when) {
  std::string next;
  if (list.more() && !list.concerts().empty()) {
    next = EncodeCursor(KindOf(when), std::to_string(list.concerts().rbegin()->id()));
  }
  return ListResponse(list.concerts(), next, WriteConcert);
}

std::shared_ptr<ConcertPages::Entry> ConcertPages::Find(const ConcertsQuery& key) {
  std::shared_ptr<Entry>& kept = pages_[key];
  if (kept == nullptr) kept = std::make_shared<Entry>(backends_.executor());
  kept->use = ++uses_;
  std::shared_ptr<Entry> entry = kept;
  if (pages_.size() > kMaxPages) {
    pages_.erase(std::ranges::min_element(pages_, {}, [](const auto& one) { return one.second->use; }));
  }
  return entry;
}

asio::awaitable<void> ConcertPages::Refresh(ConcertsQuery key, std::shared_ptr<Entry> entry,
                                            const std::string& traceparent) {
  entry->asking = true;
  entry->asked = std::chrono::steady_clock::now();
  seat::v1::ListConcertsRequest request;
  request.set_when(key.when);
  request.set_after_id(key.page.after);
  request.set_limit(key.page.limit);
  const auto start = [this](auto... arguments) { backends_.seat->async()->ListConcerts(arguments...); };
  Result<seat::v1::ListConcertsResponse> list =
      co_await backends_.Ask<seat::v1::ListConcertsResponse>(request, traceparent, start);
  if (list) {
    const auto answer = std::make_shared<const seat::v1::ListConcertsResponse>(*std::move(list));
    const auto render = [answer, when = key.when] { return Render(*answer, when); };
    Page page = co_await RunElsewhere(pool_, backends_.executor(), render);
    // One that says the same stays, and with it what the compressor has made of it.
    if (page.etag != entry->page.etag) entry->page = std::move(page);
  } else {
    entry->error = list.error();
    const auto kept = pages_.find(key);
    if (kept != pages_.end() && kept->second == entry) pages_.erase(kept);
  }
  entry->asking = false;
  entry->wake.cancel();
}

asio::awaitable<Result<ConcertPages::Page>> ConcertPages::Get(ConcertsQuery key,
                                                              const std::string& traceparent) {
  const std::shared_ptr<Entry> entry = Find(key);
  if (entry->asking) {
    (void)co_await entry->wake.async_wait(kAwait);
  } else if (std::chrono::steady_clock::now() - entry->asked >= kFresh) {
    co_await Refresh(key, entry, traceparent);
  }
  Result<Page> known = entry->page;
  if (!entry->error.reason.empty()) known = std::unexpected(entry->error);
  co_return known;
}

}  // namespace boxoffice::gateway
