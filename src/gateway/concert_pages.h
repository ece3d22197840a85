// The list of concerts as buyers see it: pages rendered once for all who ask.
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>

#include "base/result.h"
#include "boxoffice/seat/v1/seat.pb.h"
#include "gateway/backends.h"
#include "gateway/pages.h"
#include "platform/http/message.h"
#include "platform/rpc/worker_pool.h"

namespace boxoffice::gateway {

using When = seat::v1::ListConcertsRequest::When;

// A page of which concerts.
struct ConcertsQuery {
  When when = seat::v1::ListConcertsRequest::ALL;
  NumberedPage page;
  auto operator<=>(const ConcertsQuery&) const = default;
};
// The query `when`, and `limit` and `cursor`: a cursor of past concerts, whose order is another, is taken by
// their list alone. Errors: kInvalidArgument parameter_invalid, and those of ReadNumberedPage.
[[nodiscard]] Result<ConcertsQuery> ReadConcertsQuery(const http::Request& request);

// One page as an answer, also as operators see it.
[[nodiscard]] http::Response ConcertsResponse(const seat::v1::ListConcertsResponse& list,
                                              When when = seat::v1::ListConcertsRequest::ALL);

// Asks the seat service for each page at most once a second, however many look: a page has all shows of its
// concerts, also of one that is to come those that are past. Runs on the backends' executor only.
class ConcertPages {
 public:
  struct Page {
    std::shared_ptr<const std::string> body;  // one for all, so that it is compressed once
    std::string etag;
  };
  // How old a page may be.
  static constexpr std::chrono::seconds kFresh{1};
  // Those that were asked for last are kept: as many as the compressor keeps.
  static constexpr size_t kMaxPages = 32;

  // Pages are rendered on `pool`: long ones take long enough for others to notice.
  ConcertPages(Backends& backends, rpc::WorkerPool& pool) : backends_(backends), pool_(pool) {}

  // A page without drafts, a second old at most. Whoever asks while the service is being asked waits for that
  // answer. Errors: the call's, which are not kept.
  asio::awaitable<Result<Page>> Get(ConcertsQuery key, const std::string& traceparent);

 private:
  using SteadyTime = std::chrono::steady_clock::time_point;
  struct Entry {
    explicit Entry(const asio::any_io_executor& executor) : wake(executor, SteadyTime::max()) {}
    Page page;  // no body until the first answer
    SteadyTime asked{};
    Error error;  // of the last time that it was asked; no reason: there was none
    bool asking = false;
    uint64_t use = 0;
    asio::steady_timer wake;  // never fires; is cancelled when the service has been asked
  };

  std::shared_ptr<Entry> Find(const ConcertsQuery& key);
  asio::awaitable<void> Refresh(ConcertsQuery key, std::shared_ptr<Entry> entry,
                                const std::string& traceparent);

  Backends& backends_;
  rpc::WorkerPool& pool_;
  std::map<ConcertsQuery, std::shared_ptr<Entry>> pages_;
  uint64_t uses_ = 0;
};

}  // namespace boxoffice::gateway
