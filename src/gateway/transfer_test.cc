#include "gateway/transfer.h"

#include <chrono>
#include <future>

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

TEST(CompressorTest, WhatItMadeCountsWhileSomebodyHasIt) {
  asio::io_context io;
  const auto working = asio::make_work_guard(io);
  rpc::WorkerPool computing(1);
  SharedBodies bodies;
  Compressor compressor(io.get_executor(), computing, bodies);
  http::Request request;
  request.AddHeader("Accept-Encoding", "gzip");
  const auto compressed = [&](char letter) {
    http::Response response;
    response.content_type = "application/json";
    response.shared_body = std::make_shared<const std::string>(Compressor::kInline + 1, letter);
    std::future<void> done = asio::co_spawn(io, compressor.Compress(request, response), asio::use_future);
    while (done.wait_for(std::chrono::seconds(0)) != std::future_status::ready) io.run_one();
    EXPECT_LT(response.content().size(), Compressor::kInline);
    // The pool's thread, too, has let go of the text: only then is what was made of it not kept any more.
    asio::post(computing.get_executor(), asio::use_future).wait();
    return response;
  };
  http::Response read_slowly = compressed('a');
  const size_t one = read_slowly.content().size();
  EXPECT_EQ(bodies.Bytes(), one);
  const size_t two = compressed('b').content().size();
  EXPECT_EQ(bodies.Bytes(), one + two) << "the second is kept for who comes next";
  read_slowly = {};
  EXPECT_EQ(bodies.Bytes(), two);
}

}  // namespace
}  // namespace boxoffice::gateway
