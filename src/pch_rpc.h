// As pch.h, for the rooms that link gRPC.
#pragma once
#include <google/protobuf/message.h>
#include <grpcpp/grpcpp.h>
