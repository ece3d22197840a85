// Exists to own the precompiled header that every room shares (see cmake/Rooms.cmake).
#include "pch.h"
