// The list of concerts as buyers see it: pages rendered once for all who ask.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>

#include "base/result.h"
#include "boxoffice/seat/v1/seat.pb.h"
#include "gateway/backends.h"
#include "gateway/pages.h"
#include "platform/http/message.h"
#include "platform/rpc/worker_pool.h"

namespace boxoffice::gateway {

// One page as an answer, also as operators see it.
[[nodiscard]] http::Response ConcertsResponse(const seat::v1::ListConcertsResponse& list);

// Asks the seat service for each page at most once a second, however many look: a page has all shows of its
// concerts, past ones too. Runs on the backends' executor only.
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
  asio::awaitable<Result<Page>> Get(NumberedPage page, const std::string& traceparent);

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
  using Key = std::pair<int64_t, uint32_t>;  // after which concert, and how many

  std::shared_ptr<Entry> Find(const Key& key);
  asio::awaitable<void> Refresh(Key key, std::shared_ptr<Entry> entry, const std::string& traceparent);

  Backends& backends_;
  rpc::WorkerPool& pool_;
  std::map<Key, std::shared_ptr<Entry>> pages_;
  uint64_t uses_ = 0;
};

}  // namespace boxoffice::gateway
