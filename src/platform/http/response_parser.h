// Internal to the client: Beast's HTTP/1.1 parser, writing straight into a ClientResponse.
#pragma once

#include <boost/beast/http/basic_parser.hpp>

#include "platform/http/client.h"

namespace boxoffice::http {

class ResponseParser final : public boost::beast::http::basic_parser<false> {
 public:
  static constexpr uint32_t kMaxHeader = 64 * 1024;  // bytes

  // Fills `response`, which must outlive this.
  ResponseParser(ClientResponse& response, size_t max_body, bool is_head) : response_(&response) {
    header_limit(kMaxHeader);
    body_limit(max_body);
    eager(true);
    skip(is_head);
  }

 private:
  using error_code = boost::beast::error_code;
  using string_view = boost::beast::string_view;

  void on_request_impl(boost::beast::http::verb, string_view, string_view, int, error_code&) override {}
  void on_response_impl(int status, string_view, int, error_code&) override { response_->status = status; }
  void on_field_impl(boost::beast::http::field, string_view name, string_view value, error_code&) override {
    if (!head_done_) response_->headers.emplace_back(name, value);
  }
  void on_header_impl(error_code&) override { head_done_ = true; }
  void on_body_init_impl(const boost::optional<uint64_t>&, error_code&) override {}
  size_t on_body_impl(string_view body, error_code&) override {
    response_->body.append(body.data(), body.size());
    return body.size();
  }
  void on_chunk_header_impl(uint64_t, string_view, error_code&) override {}
  size_t on_chunk_body_impl(uint64_t, string_view body, error_code& error) override {
    return on_body_impl(body, error);
  }
  void on_finish_impl(error_code&) override {}

  ClientResponse* response_;
  bool head_done_ = false;
};

}  // namespace boxoffice::http
