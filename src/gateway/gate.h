// What every request passes, and what every answer gets: limits, request ids, tags, compression, other
// origins.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/any_io_executor.hpp>

#include "base/result.h"
#include "gateway/cross_origin.h"
#include "gateway/rate_limiter.h"
#include "gateway/stream_limiter.h"
#include "gateway/transfer.h"
#include "platform/config/keys.h"
#include "platform/http/message.h"
#include "platform/rpc/worker_pool.h"

namespace boxoffice::gateway {

struct EdgeConfig {
  RateLimit user{12'000, std::chrono::seconds(60)};
  RateLimit address;  // none: behind a proxy all have the proxy's, unless trusted_proxies says otherwise
  // In the user's window, each as in CallerLimits; 0: no limit.
  uint32_t user_leaves = 10;
  uint32_t user_reservations = 60;
  uint32_t user_lists = 120;
  uint32_t user_streams = 32;    // open at a time; 0: no limit
  uint32_t address_streams = 0;  // likewise, and none by default for the same reason
  uint32_t trusted_proxies = 0;  // in front, each of which appends who called it to X-Forwarded-For
  std::vector<std::string> cors_origins;
  bool compress = true;
  std::filesystem::path web_root;  // of the web app, built; empty: web_files.h knows where it usually is
  bool access_log = false;
  bool development_sign_in = true;  // where sessions.h offers it
  bool self_service = true;         // buyers top up their wallets by themselves
};

// Keys limit.*, cors.*, web.root, http.compress, http.access_log, session.development and
// wallet.self_service, bound to `config`, which must outlive `keys`.
void AddEdgeKeys(config::Keys& keys, EdgeConfig& config);

// The address that a request comes from, as its limit counts it: the connection's, or, with proxies in front,
// the one that the outermost of these was called by; of IPv6, its network of 64 bits, which one person has as
// a whole.
[[nodiscard]] std::string AddressKey(const http::Request& request, uint32_t trusted_proxies);

// What callers have asked of a gateway, on whichever of its threads. Thread-safe. `salt`: as RateLimiter's.
struct CallerLimits {
  CallerLimits(const EdgeConfig& config, uint64_t salt)
      : users("user", config.user, salt),
        addresses("address", config.address, salt),
        leaves("leave", {config.user_leaves, config.user.window}, salt),
        reservations("reservation", {config.user_reservations, config.user.window}, salt),
        lists("list", {config.user_lists, config.user.window}, salt),
        user_streams(config.user_streams),
        address_streams(config.address_streams) {}
  RateLimiter users;
  RateLimiter addresses;
  // Places in queues and on waitlists that users give up. A place that is left stays in the line or the
  // table, so a user who leaves and joins again and again makes it longer, where one who only joins again has
  // the same place.
  RateLimiter leaves;
  // Reservations that users ask for or confirm. One that is refused once its saga has begun, as the session
  // is bound, the seats are taken or the money is short, has been written down several times, and who is in
  // may come with ever new keys.
  RateLimiter reservations;
  // Whatever looks at much that is a user's own, each page of it: reservations, places on waitlists, a
  // wallet's entries and statement; and what a cancellation would give back. Few of these keep a service busy
  // which everybody's purchases need.
  RateLimiter lists;
  StreamLimiter user_streams;
  StreamLimiter address_streams;
};

// Not thread-safe, but for Finish: for the one thread of an edge.
class Gate {
 public:
  // `limits`, `computing` and `bodies` outlive it. Errors: config.
  [[nodiscard]] static Result<std::unique_ptr<Gate>> Make(const EdgeConfig& config, CallerLimits& limits,
                                                          boost::asio::any_io_executor executor,
                                                          rpc::WorkerPool& computing, SharedBodies& bodies);

  // What was counted for one request.
  struct Pass {
    std::optional<RateVerdict> address;
    std::optional<RateVerdict> user;
  };
  // Count a request; false: there were too many, see TooMany.
  [[nodiscard]] bool AdmitAddress(const http::Request& request, Pass& pass);
  [[nodiscard]] bool AdmitUser(std::string_view user, Pass& pass);
  // Takes back what was counted of a request that was admitted, and is to be counted later.
  void GiveBack(const http::Request& request, std::string_view user, const Pass& pass);
  // An answer that is a stream holds a place of its asker's (`user` may be empty: of the address alone) until
  // it has ended; where there is none left, it becomes 429 too_many_streams, with Retry-After.
  void Hold(const http::Request& request, std::string_view user, http::Response& response) const;
  // 429 rate_limited, with Retry-After.
  [[nodiscard]] static http::Response TooMany(const Pass& pass);
  // The fields RateLimit and RateLimit-Policy, where something was counted.
  void Describe(const Pass& pass, http::Response& response) const;

  // Whether the answer is to be compressed, if its asker takes that; and doing so.
  [[nodiscard]] bool Compresses(const http::Response& response) const {
    return config_.compress && Compressor::Suits(response);
  }
  [[nodiscard]] boost::asio::awaitable<void> Compress(const http::Request& request,
                                                      http::Response& response) {
    return compressor_.Compress(request, response);
  }
  // Of every answer, also those that no route gave: other origins, and the log.
  void Finish(const http::Request& request, http::Response& response) const;
  [[nodiscard]] bool answers_preflights() const { return cross_origin_.on(); }

 private:
  Gate(const EdgeConfig& config, CallerLimits& limits, CrossOrigin cross_origin,
       boost::asio::any_io_executor executor, rpc::WorkerPool& computing, SharedBodies& bodies);

  const EdgeConfig config_;
  const CrossOrigin cross_origin_;
  RateLimiter& users_;
  RateLimiter& addresses_;
  StreamLimiter& user_streams_;
  StreamLimiter& address_streams_;
  Compressor compressor_;
};

}  // namespace boxoffice::gateway
