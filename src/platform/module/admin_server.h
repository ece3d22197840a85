// What orchestrators and monitoring ask a process for, on an address of its own: GET /healthz (it runs),
// /readyz (it should be sent work), /metrics (Prometheus' text), /log-level; and PUT /log-level, whose body
// is debug, info, warning or error: the least that the process logs from then on.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>

#include "base/result.h"
#include "platform/http/server.h"
#include "platform/module/module.h"
#include "platform/obs/metrics.h"

namespace boxoffice::module {

// Serves on a thread of its own until it is destroyed.
class AdminServer {
 public:
  using GetHealth = std::function<std::vector<Health>()>;
  // Listens at `address` (IP:PORT; port 0: a free one; [::] takes IPv4, too). `health` is called on this
  // server's thread; it and `metrics` must outlive it. Errors: address_invalid, port_taken, listen_failed.
  [[nodiscard]] static Result<std::unique_ptr<AdminServer>> Start(std::string_view address,
                                                                  obs::Registry& metrics, GetHealth health);
  ~AdminServer();

  // Where it listens: "127.0.0.1:41234", "[::]:41234".
  [[nodiscard]] std::string address() const;

 private:
  AdminServer(std::string host, GetHealth health) : host_(std::move(host)), health_(std::move(health)) {}
  const std::string host_;
  const GetHealth health_;
  boost::asio::io_context io_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_{io_.get_executor()};
  std::unique_ptr<http::Server> server_;
  std::thread thread_;
};

}  // namespace boxoffice::module
