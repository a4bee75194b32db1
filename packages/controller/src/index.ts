export { buildController, type Controller, type ControllerDeps } from './controller.ts';
