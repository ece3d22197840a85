// The operators' commands against a server that records what it is asked.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "boxoffice/operator_commands.h"
#include "platform/http/server.h"

namespace boxoffice::cli {

class OperatorCommandsTest : public testing::Test {
 protected:
  struct Seen {
    std::string line;  // "METHOD target"
    std::string body;
    std::string authorization;
    std::string key;
  };

  OperatorCommandsTest() {
    http::Router router;
    for (const http::Method method :
         {http::Method::kGet, http::Method::kPost, http::Method::kPatch, http::Method::kDelete}) {
      router.Add(method, "/{path...}",
                 [this](http::Request& request) -> http::asio::awaitable<http::Response> {
                   co_return Answer(request);
                 });
    }
    server_ = *http::Server::Listen(io_, std::move(router));
    thread_ = std::thread([this] { io_.run(); });
  }
  ~OperatorCommandsTest() override {
    server_->Stop();
    work_.reset();
    thread_.join();
  }

  http::Response Answer(http::Request& request) {
    const std::scoped_lock lock(mutex_);
    seen_.push_back({fmt::format("{} {}", http::MethodName(request.method()), request.target()),
                     std::string(request.body()), std::string(request.header("Authorization").value_or("")),
                     std::string(request.header("Idempotency-Key").value_or(""))});
    const auto found = answers_.find(seen_.back().line);
    if (found == answers_.end()) {
      return http::JsonResponse(R"({"status":404,"code":"show_not_found","title":"No such show"})", 404);
    }
    return http::JsonResponse(found->second.second, found->second.first);
  }

  // Runs `boxoffice ARGUMENTS`, and gives its exit code; what it printed is in out_ and err_.
  int Run(std::vector<std::string> arguments) {
    CLI::App app;
    app.require_subcommand(1);
    AddOperatorCommands(app);
    const std::string url = url_.empty() ? fmt::format("http://127.0.0.1:{}", port()) : url_;
    arguments.insert(arguments.end(), {"--url", url, "--token", "t"});
    std::ranges::reverse(arguments);
    testing::internal::CaptureStdout();
    testing::internal::CaptureStderr();
    int code = 0;
    try {
      app.parse(arguments);
    } catch (const CLI::RuntimeError& end) {
      code = end.get_exit_code();
    } catch (const CLI::ParseError&) {
      code = 2;
    }
    out_ = testing::internal::GetCapturedStdout();
    err_ = testing::internal::GetCapturedStderr();
    return code;
  }
  void On(const std::string& line, std::string_view body, int status = 200) {
    const std::scoped_lock lock(mutex_);
    answers_[line] = {status, std::string(body)};
  }
  Seen Last() {
    const std::scoped_lock lock(mutex_);
    return seen_.empty() ? Seen() : seen_.back();
  }
  [[nodiscard]] uint16_t port() const { return server_->port(); }

  std::mutex mutex_;
  std::vector<Seen> seen_;
  std::map<std::string, std::pair<int, std::string>> answers_;
  std::string url_;  // where else to ask
  std::string out_;
  std::string err_;
  boost::asio::io_context io_;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_{io_.get_executor()};
  std::unique_ptr<http::Server> server_;
  std::thread thread_;
};

}  // namespace boxoffice::cli
