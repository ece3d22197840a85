// What saves sending: an answer that its asker has already is a 304, and one that is long goes compressed.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include "gateway/shared_bodies.h"
#include "platform/http/message.h"
#include "platform/rpc/worker_pool.h"

namespace boxoffice::gateway {

// Whether the header If-None-Match names `etag` (RFC 9110, section 13.1.2: compared weakly).
[[nodiscard]] bool MatchesTag(std::string_view if_none_match, std::string_view etag);

// The ETag of a content, which is weak: it is the same content, however it is compressed.
[[nodiscard]] std::string TagOf(std::string_view content);
// Gives a 200 to a GET the ETag of its content, unless it has one, and makes it a 304 if the asker has that
// already. For what everybody may keep.
void AddTag(const http::Request& request, http::Response& response);

// Compresses answers for those who take gzip. Runs on one executor; what is long is compressed on
// `computing`, once for all who ask for the same shared body, and those who come meanwhile get it as it is.
// Of long bodies that are nobody else's, so many at a time: others wait for that pool, too.
class Compressor {
 public:
  // `computing` and `bodies`, which counts what is made of shared ones, outlive it.
  Compressor(boost::asio::any_io_executor executor, rpc::WorkerPool& computing, SharedBodies& bodies)
      : executor_(std::move(executor)), computing_(computing), bodies_(bodies) {}

  // Below that, a frame or two is sent anyway.
  static constexpr size_t kLeast = 1'024;  // bytes
  // What takes longer than some 100 µs is not done on the thread that answers everybody.
  static constexpr size_t kInline = 16 * 1'024;  // bytes
  static constexpr size_t kKept = 32;            // shared bodies
  static constexpr size_t kOwn = 4;              // other ones at a time; past it they go as they are

  // Whether an answer is worth it: most are not, and need not be waited for.
  [[nodiscard]] static bool Suits(const http::Response& response);
  // Compresses an answer that suits, if its asker takes that.
  [[nodiscard]] boost::asio::awaitable<void> Compress(const http::Request& request, http::Response& response);

 private:
  struct Kept {
    std::weak_ptr<const std::string> body;
    std::shared_ptr<const std::string> compressed;  // null: under way
  };
  [[nodiscard]] boost::asio::awaitable<std::shared_ptr<const std::string>> CompressShared(
      std::shared_ptr<const std::string> body);

  const boost::asio::any_io_executor executor_;
  rpc::WorkerPool& computing_;
  SharedBodies& bodies_;
  std::vector<Kept> kept_;  // the oldest first
  size_t own_ = 0;          // long bodies, not shared, that are under way
};

}  // namespace boxoffice::gateway
