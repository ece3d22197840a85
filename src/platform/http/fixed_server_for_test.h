// A server of one answer, for tests of what clients make of it.
#pragma once

#include <string>
#include <thread>
#include <utility>

#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>

namespace boxoffice::http {

// Says `answer` to whatever comes, and closes.
class FixedServer {
 public:
  explicit FixedServer(std::string answer)
      : acceptor_(io_, {boost::asio::ip::make_address("127.0.0.1"), 0}),
        thread_([this, answer = std::move(answer)] {
          boost::asio::ip::tcp::socket socket = acceptor_.accept();
          char buffer[4096];
          boost::system::error_code ignored;
          socket.read_some(boost::asio::buffer(buffer), ignored);
          boost::asio::write(socket, boost::asio::buffer(answer), ignored);
        }) {}
  [[nodiscard]] std::string Url() const {
    return "http://127.0.0.1:" + std::to_string(acceptor_.local_endpoint().port());
  }

 private:
  boost::asio::io_context io_;
  boost::asio::ip::tcp::acceptor acceptor_;
  std::jthread thread_;
};

}  // namespace boxoffice::http
