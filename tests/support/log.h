/* A receiver of guests' logs: set on_log to `on_log`, and log_user_data to `&received`. */
#ifndef RTWASM_TEST_LOG_H
#define RTWASM_TEST_LOG_H

#include "check.h"

#include <pthread.h>
#include <rtwasm.h>
#include <string.h>

/* The messages that the callback has received. */
static struct received {
    pthread_mutex_t lock;
    pthread_cond_t came;
    int count;
    struct message { rtw_instance_t *instance; uint32_t level; size_t length; char text[1100]; } messages[64];
} received = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, {{0, 0, 0, {0}}}};

static inline void on_log(void *user_data, rtw_instance_t *instance, uint32_t level, const char *text, size_t length) {
    struct received *to = user_data;
    pthread_mutex_lock(&to->lock);
    if (to->count < 64 && length < sizeof to->messages[0].text) {
        struct message *message = &to->messages[to->count];
        message->instance = instance, message->level = level, message->length = length;
        memcpy(message->text, text, length);
        message->text[length] = 0;
    }
    to->count++;
    pthread_cond_signal(&to->came);
    pthread_mutex_unlock(&to->lock);
}

/* Waits until `count` messages have come. */
static inline void wait_for(int count) {
    pthread_mutex_lock(&received.lock);
    while (received.count < count) pthread_cond_wait(&received.came, &received.lock);
    pthread_mutex_unlock(&received.lock);
}

static inline void forget(void) {
    pthread_mutex_lock(&received.lock);
    received.count = 0;
    pthread_mutex_unlock(&received.lock);
}

/* True if one of the messages is this one. */
static inline bool has(uint32_t level, const char *text) {
    bool found = false;
    pthread_mutex_lock(&received.lock);
    for (int i = 0; i < received.count && i < 64; i++) found |= received.messages[i].level == level && strcmp(received.messages[i].text, text) == 0;
    pthread_mutex_unlock(&received.lock);
    return found;
}

#endif
