// A data platform that gets our events: a server that keeps what it takes, and answers as it is told.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/json/parse.hpp>
#include <fmt/format.h>

#include "e2e/system.h"
#include "platform/http/server.h"

namespace boxoffice::e2e {

class Platform {
 public:
  struct Event {
    std::string type;
    std::string id;
    std::string signature;
    std::string traceparent;
    json::value body;
  };
  Platform() {
    http::Router router;
    router.Add(http::Method::kPost, "/hook",
               [this](http::Request& request) -> http::asio::awaitable<http::Response> {
                 http::Response response;
                 const std::scoped_lock lock(mutex_);
                 response.status = status_;
                 if (status_ < 300) {
                   got_.push_back({std::string(request.header("ce-type").value_or("")),
                                   std::string(request.header("webhook-id").value_or("")),
                                   std::string(request.header("webhook-signature").value_or("")),
                                   std::string(request.header("traceparent").value_or("")),
                                   json::parse(request.body())});
                 }
                 co_return response;
               });
    server_ = http::Server::Listen(io_, std::move(router)).value();
    thread_ = std::thread([this] { io_.run(); });
  }
  ~Platform() {
    server_->Stop();
    work_.reset();
    thread_.join();
  }
  [[nodiscard]] std::string url() const { return fmt::format("http://127.0.0.1:{}/hook", server_->port()); }
  void Answer(int status) {
    const std::scoped_lock lock(mutex_);
    status_ = status;
  }
  std::vector<Event> Got() {
    const std::scoped_lock lock(mutex_);
    return got_;
  }
  // The events of one reservation, in the order of their coming.
  std::vector<Event> Of(const std::string& reservation) {
    std::vector<Event> events;
    for (Event& event : Got()) {
      const json::object& data = event.body.at("data").as_object();
      const json::value* id = data.if_contains("reservation_id");
      if (id != nullptr && *id == json::value(reservation)) events.push_back(std::move(event));
    }
    return events;
  }
  bool Awaits(const std::string& reservation, const std::string& type) {
    return Eventually(
        [&] {
          for (const Event& event : Of(reservation)) {
            if (event.type == type) return true;
          }
          return false;
        },
        seconds(60));
  }

 private:
  std::mutex mutex_;
  std::vector<Event> got_;
  int status_ = 204;
  boost::asio::io_context io_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_{io_.get_executor()};
  std::unique_ptr<http::Server> server_;
  std::thread thread_;
};

}  // namespace boxoffice::e2e
