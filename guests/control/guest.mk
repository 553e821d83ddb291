# Settings of the guests in this folder; the Makefile above says which there are.
HEADERS_pid               := control/guest.h control/control.h control/interface.h include/rtw_guest.h
HEADERS_lqr_kalman        := control/guest.h control/control.h control/interface.h include/rtw_guest.h
HEADERS_faulty_controller := control/guest.h control/control.h include/rtw_guest.h
