MEMORY_BYTES_drive      := 131072
CFLAGS_drive            := -Iinclude
CFLAGS_tone             := -Iinclude
HEADERS_drive           := include/rtw_guest.h
HEADERS_tone            := include/rtw_guest.h
