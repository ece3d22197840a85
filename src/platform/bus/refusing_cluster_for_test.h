// A cluster that does not let a topic have one of its settings, as some hosted ones: the test program's
// broker behind a port at which a request that names the setting names one that there is not. Whoever comes
// here is led here by what the broker says of itself, too.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <fmt/format.h>

namespace boxoffice::bus {

class RefusingCluster {
 public:
  using Change = std::function<void(std::string&)>;
  // `answers` changes what the broker answers, without making it longer or shorter.
  RefusingCluster(uint16_t broker, std::string setting, Change answers)
      : broker_(boost::asio::ip::address_v4::loopback(), broker),
        setting_(std::move(setting)),
        answers_(std::move(answers)) {
    boost::asio::co_spawn(io_, Serve(), boost::asio::detached);
    thread_ = std::thread([this] { io_.run(); });
  }
  ~RefusingCluster() {
    io_.stop();
    thread_.join();
  }
  RefusingCluster(const RefusingCluster&) = delete;
  RefusingCluster& operator=(const RefusingCluster&) = delete;
  [[nodiscard]] std::string address() const { return fmt::format("127.0.0.1:{}", port()); }

 private:
  using Tcp = boost::asio::ip::tcp;
  using Socket = std::shared_ptr<Tcp::socket>;

  [[nodiscard]] uint16_t port() const { return acceptor_.local_endpoint().port(); }
  static void Replace(std::string& body, std::string_view what, std::string_view by) {
    for (size_t at = body.find(what); at != std::string::npos; at = body.find(what, at + by.size()))
      body.replace(at, what.size(), by);
  }
  // Where a broker is, as its answers say it: the host, and the port in four bytes.
  static std::string Place(uint16_t port) {
    std::string place = "127.0.0.1";
    for (const int byte : {0, 0, port >> 8, port & 0xff}) place.push_back(static_cast<char>(byte));
    return place;
  }

  boost::asio::awaitable<void> Serve() {
    while (true) {
      Tcp::socket taken = co_await acceptor_.async_accept(boost::asio::use_awaitable);
      const auto client = std::make_shared<Tcp::socket>(std::move(taken));
      const auto broker = std::make_shared<Tcp::socket>(io_);
      co_await broker->async_connect(broker_, boost::asio::use_awaitable);
      boost::asio::co_spawn(io_, Pass(client, broker, refuses_), boost::asio::detached);
      boost::asio::co_spawn(io_, Pass(broker, client, leads_here_), boost::asio::detached);
    }
  }
  // Messages, each after its length, until one of both ends.
  static boost::asio::awaitable<void> Pass(Socket from, Socket to, const Change& change) {
    try {
      while (true) {
        std::array<unsigned char, 4> head{};
        co_await boost::asio::async_read(*from, boost::asio::buffer(head), boost::asio::use_awaitable);
        uint32_t size = 0;
        for (const unsigned char byte : head) size = size << 8 | byte;
        std::string body(size, '\0');
        co_await boost::asio::async_read(*from, boost::asio::buffer(body), boost::asio::use_awaitable);
        change(body);
        body.insert(body.begin(), head.begin(), head.end());
        co_await boost::asio::async_write(*to, boost::asio::buffer(body), boost::asio::use_awaitable);
      }
    } catch (const boost::system::system_error&) {
      boost::system::error_code ignored;
      to->shutdown(Tcp::socket::shutdown_both, ignored);
    }
  }

  const Tcp::endpoint broker_;
  const std::string setting_;
  const Change answers_;
  const Change refuses_ = [this](std::string& body) {
    Replace(body, setting_, std::string(setting_.size(), 'x'));
  };
  const Change leads_here_ = [this](std::string& body) {
    Replace(body, Place(broker_.port()), Place(port()));
    answers_(body);
  };
  boost::asio::io_context io_;
  Tcp::acceptor acceptor_{io_, Tcp::endpoint(boost::asio::ip::address_v4::loopback(), 0)};
  std::thread thread_;
};

}  // namespace boxoffice::bus
