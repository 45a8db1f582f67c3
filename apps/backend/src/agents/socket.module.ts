import { Module } from '@nestjs/common';
import { SocketServer } from './socket-server.js';

/** The Socket.IO server that agents and tunnel gates share. */
@Module({ providers: [SocketServer], exports: [SocketServer] })
export class SocketModule {}
