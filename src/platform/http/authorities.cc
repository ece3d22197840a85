#include "platform/http/authorities.h"

#include <system_error>

#include <boost/asio/ssl/context.hpp>

namespace boxoffice::http {

namespace ssl = boost::asio::ssl;

Result<std::shared_ptr<ssl::context>> Authorities::Get(const std::string& ca_file, Time now) {
  // Before it is read: what is written meanwhile counts at the next request. A file that is not there has a
  // time, too, and can't be read.
  std::error_code missing;
  const std::filesystem::file_time_type file_time = ca_file.empty()
                                                        ? std::filesystem::file_time_type{}
                                                        : std::filesystem::last_write_time(ca_file, missing);
  const std::scoped_lock lock(mutex_);
  if (read_ != nullptr && ca_file_ == ca_file && file_time_ == file_time && now - read_at_ < kKept)
    return read_;
  read_ = nullptr;
  auto context = std::make_shared<ssl::context>(ssl::context::tls_client);
  boost::system::error_code error;
  if (ca_file.empty()) {
    context->set_default_verify_paths(error);
  } else {
    context->load_verify_file(ca_file, error);
  }
  if (error) return Fail(Code::kUnavailable, "authorities_unreadable", error.message());
  read_ = std::move(context);
  ca_file_ = ca_file;
  file_time_ = file_time;
  read_at_ = now;
  return read_;
}

void Authorities::Doubt(Time now) {
  const std::scoped_lock lock(mutex_);
  if (now - read_at_ >= kBeyondDoubt) read_ = nullptr;
}

}  // namespace boxoffice::http
