#include "gateway/transfer.h"

#include <chrono>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_future.hpp>
#include <gtest/gtest.h>

#include "gateway/shared_bodies.h"

namespace boxoffice::gateway {
namespace {

namespace asio = boost::asio;

class CompressorTest : public ::testing::Test {
 protected:
  CompressorTest() { request_.AddHeader("Accept-Encoding", "gzip"); }

  static http::Response Long(char letter) {
    http::Response response;
    response.content_type = "application/json";
    response.body = std::string(Compressor::kInline + 1, letter);
    return response;
  }
  std::future<void> Begin(http::Response& response) {
    return asio::co_spawn(io_, compressor_.Compress(request_, response), asio::use_future);
  }
  void Await(std::future<void>& done) {
    while (done.wait_for(std::chrono::seconds(0)) != std::future_status::ready) io_.run_one();
  }
  void Compress(http::Response& response) {
    std::future<void> done = Begin(response);
    Await(done);
    EXPECT_LT(response.content().size(), Compressor::kInline);
    EXPECT_EQ(response.headers.Find("Content-Encoding"), "gzip");
    // The pool's thread, too, has let go of the text: only then is what was made of it not kept any more.
    asio::post(computing_.get_executor(), asio::use_future).wait();
  }

  asio::io_context io_;
  const asio::executor_work_guard<asio::io_context::executor_type> working_{io_.get_executor()};
  rpc::WorkerPool computing_{1};
  SharedBodies bodies_;
  Compressor compressor_{io_.get_executor(), computing_, bodies_};
  http::Request request_;
};

TEST_F(CompressorTest, WhatItMadeCountsWhileSomebodyHasIt) {
  const auto compressed = [&](char letter) {
    http::Response response = Long(letter);
    response.shared_body = std::make_shared<const std::string>(std::move(response.body));
    Compress(response);
    return response;
  };
  http::Response read_slowly = compressed('a');
  const size_t one = read_slowly.content().size();
  EXPECT_EQ(bodies_.Bytes(), one);
  const size_t two = compressed('b').content().size();
  EXPECT_EQ(bodies_.Bytes(), one + two) << "the second is kept for who comes next";
  read_slowly = {};
  EXPECT_EQ(bodies_.Bytes(), two);
}

TEST_F(CompressorTest, WhatItMadeOfABodyThatIsNotSharedIsTheAnswersOwnAndCountsForNobodyElse) {
  http::Response response = Long('a');
  Compress(response);
  EXPECT_EQ(response.shared_body, nullptr);
  EXPECT_FALSE(response.body.empty()) << "the server counts it, while it is read slowly";
  EXPECT_EQ(bodies_.Bytes(), 0U);
}

TEST_F(CompressorTest, OfBodiesThatAreNotSharedOnlySoManyAreCompressedAtATimeAndTheNextGoesAsItIs) {
  std::promise<void> go;
  computing_.Post([&go] { go.get_future().wait(); });
  std::vector<http::Response> responses(Compressor::kOwn);
  std::vector<std::future<void>> done;
  for (http::Response& response : responses) {
    response = Long('a');
    done.push_back(Begin(response));
  }
  io_.poll();
  http::Response next = Long('b');
  std::future<void> as_it_is = Begin(next);
  io_.poll();
  EXPECT_EQ(as_it_is.wait_for(std::chrono::seconds(0)), std::future_status::ready) << "at once";
  EXPECT_EQ(next.body, Long('b').body);
  EXPECT_EQ(next.headers.Find("Content-Encoding"), std::nullopt);
  go.set_value();
  for (std::future<void>& each : done) Await(each);
  for (const http::Response& response : responses)
    EXPECT_EQ(response.headers.Find("Content-Encoding"), "gzip");
  Await(as_it_is);
  http::Response later = Long('c');
  Compress(later);
}

}  // namespace
}  // namespace boxoffice::gateway
